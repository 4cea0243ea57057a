/* A runtime compiler that takes every source and gives an empty kernel. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long number(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtol(text, NULL, 10) : otherwise;
}
static const char *message(void) { return getenv("STAND_IN_COMPILER_ERROR"); }

int nvrtcVersion(int *major, int *minor) {
    long version = number("STAND_IN_NVRTC", 1204);
    *major = (int)(version / 100);
    *minor = (int)(version % 100);
    return 0;
}
int nvrtcGetNumSupportedArchs(int *count) { *count = 2; return 0; }
int nvrtcGetSupportedArchs(int *archs) { archs[0] = 80; archs[1] = 90; return 0; }
int nvrtcCreateProgram(void **program, const char *source, const char *name, int count, const char **headers, const char **names) {
    (void)name; (void)count; (void)headers; (void)names;
    const char *path = getenv("STAND_IN_SOURCES");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (file) {
        fprintf(file, "%s\n", source);
        fclose(file);
    }
    *program = malloc(1);
    return 0;
}
int nvrtcCompileProgram(void *program, int count, const char **options) {
    (void)program; (void)count; (void)options;
    return message() ? 6 : 0;
}
int nvrtcGetPTXSize(void *program, size_t *size) { (void)program; *size = 1; return 0; }
int nvrtcGetPTX(void *program, char *ptx) { (void)program; *ptx = 0; return 0; }
int nvrtcGetProgramLogSize(void *program, size_t *size) { (void)program; *size = message() ? strlen(message()) + 1 : 1; return 0; }
int nvrtcGetProgramLog(void *program, char *log) { (void)program; strcpy(log, message() ? message() : ""); return 0; }
int nvrtcDestroyProgram(void **program) { free(*program); return 0; }
const char *nvrtcGetErrorString(int error) { (void)error; return "an error of the stand-in"; }
