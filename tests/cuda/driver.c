/* A CUDA driver without a GPU: its kernels do nothing, and its memory, the host's, holds zeros whatever is copied into
   it. For tests of all that is done around kernels: finding devices, memory, copies, launches, waits, errors. What
   it is to be comes from environment variables; STAND_IN_LOG names a file that gets what was counted. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, OUT_OF_MEMORY = 2, NO_DEVICE = 100, LAUNCH_FAILED = 719 };

static long number(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtol(text, NULL, 10) : otherwise;
}

static long launches, waits, stalls, to_device, to_host, used, peak, handles;

/* From so many kernels on, the device is lost. */
static int lost(void) {
    long after = number("STAND_IN_LOST_AFTER", -1);
    return after >= 0 && launches > after ? LAUNCH_FAILED : OK;
}

static void note(const char *what) {
    const char *path = getenv("STAND_IN_LOG");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file) return;
    fprintf(file, "{\"at\":\"%s\",\"launches\":%ld,\"waits\":%ld,\"stalls\":%ld,\"to_device\":%ld,\"to_host\":%ld,\"used\":%ld,\"peak\":%ld}\n",
            what, launches, waits, stalls, to_device, to_host, used, peak);
    fclose(file);
}

__attribute__((destructor)) static void at_exit(void) { note("exit"); }

int cuInit(unsigned flags) { (void)flags; return (int)number("STAND_IN_INIT", OK); }
int cuDriverGetVersion(int *version) { *version = (int)number("STAND_IN_CUDA", 12040); return OK; }
int cuDeviceGetCount(int *count) { *count = (int)number("STAND_IN_DEVICES", 1); return OK; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return OK; }
int cuDeviceGetName(char *name, int length, int device) {
    snprintf(name, length, "Stand-in %d", device);
    return OK;
}
static long memory(void) { return number("STAND_IN_MEMORY", 8L << 30); }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { (void)device; *bytes = memory(); return OK; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    long capability = number("STAND_IN_CAPABILITY", 90);
    switch (attribute) {
    case 75: *value = (int)(capability / 10); break;
    case 76: *value = (int)(capability % 10); break;
    case 10: *value = 32; break;             /* warp */
    case 16: *value = 132; break;            /* multiprocessors */
    case 97: *value = 227 * 1024; break;     /* shared memory of a block */
    case 1: case 2: case 3: *value = 1024; break;
    case 4: *value = 64; break;
    case 5: *value = 2147483647; break;
    case 6: case 7: *value = 65535; break;
    default: *value = 1;
    }
    return OK;
}
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = (void *)(intptr_t)(device + 1); return OK; }
int cuDevicePrimaryCtxRelease_v2(int device) { (void)device; return OK; }
int cuCtxSetCurrent(void *context) { (void)context; return OK; }
int cuCtxGetCurrent(void **context) { *context = (void *)1; return OK; }
int cuMemGetInfo_v2(size_t *free, size_t *total) {
    *total = memory();
    *free = memory() - used;
    return OK;
}

/* Each allocation is preceded by its size. */
static int take(void **pointer, size_t bytes) {
    if (used + (long)bytes > memory()) return OUT_OF_MEMORY;
    char *block = calloc(1, bytes + 512);
    if (!block) return OUT_OF_MEMORY;
    *(size_t *)block = bytes;
    used += (long)bytes;
    if (used > peak) peak = used;
    *pointer = block + 512;
    return OK;
}
static int give(void *pointer) {
    if (!pointer) return OK;
    char *block = (char *)pointer - 512;
    used -= (long)*(size_t *)block;
    free(block);
    return OK;
}
int cuMemAllocAsync(void **pointer, size_t bytes, void *stream) { (void)stream; return take(pointer, bytes); }
int cuMemAlloc_v2(void **pointer, size_t bytes) { return take(pointer, bytes); }
int cuMemFreeAsync(void *pointer, void *stream) { (void)stream; return give(pointer); }
int cuMemFree_v2(void *pointer) { return give(pointer); }
int cuMemAllocHost_v2(void **pointer, size_t bytes) { *pointer = calloc(1, bytes); return *pointer ? OK : OUT_OF_MEMORY; }
int cuMemHostAlloc(void **pointer, size_t bytes, unsigned flags) { (void)flags; return cuMemAllocHost_v2(pointer, bytes); }
int cuMemFreeHost(void *pointer) { free(pointer); return OK; }

int cuMemcpyHtoDAsync_v2(void *to, const void *from, size_t bytes, void *stream) {
    (void)to; (void)from; (void)bytes; (void)stream;
    to_device++;
    return lost();
}
int cuMemcpyDtoHAsync_v2(void *to, const void *from, size_t bytes, void *stream) {
    (void)stream;
    to_host++;
    memcpy(to, from, bytes);
    return lost();
}
int cuMemcpyDtoDAsync_v2(void *to, const void *from, size_t bytes, void *stream) {
    (void)to; (void)from; (void)bytes; (void)stream;
    return lost();
}
typedef struct {
    size_t source_x, source_y;
    unsigned source_kind;
    const void *source_host;
    void *source_device, *source_array;
    size_t source_pitch, target_x, target_y;
    unsigned target_kind;
    void *target_host, *target_device, *target_array;
    size_t target_pitch, width, height;
} Copy;
int cuMemcpy2DAsync_v2(const Copy *copy, void *stream) {
    (void)stream;
    if (copy->source_kind == 1) to_device++;
    if (copy->target_kind != 1) return lost();
    to_host++;
    const char *source = copy->source_device;
    char *target = copy->target_host;
    for (size_t row = 0; row < copy->height; row++)
        memcpy(target + (copy->target_y + row) * copy->target_pitch + copy->target_x,
               source + (copy->source_y + row) * copy->source_pitch + copy->source_x, copy->width);
    return lost();
}
int cuMemsetD8Async(void *to, unsigned char value, size_t count, void *stream) {
    (void)to; (void)value; (void)count; (void)stream;
    return lost();
}

static int handle(void **place) { *place = (void *)(intptr_t)++handles; return OK; }
int cuStreamCreate(void **stream, unsigned flags) { (void)flags; return handle(stream); }
int cuStreamDestroy_v2(void *stream) { (void)stream; return OK; }
int cuStreamSynchronize(void *stream) { (void)stream; waits++; stalls++; return lost(); }
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) { (void)stream; (void)event; (void)flags; return OK; }
int cuCtxSynchronize(void) { waits++; stalls++; return lost(); }
int cuEventCreate(void **event, unsigned flags) { (void)flags; return handle(event); }
/* What was launched before an event: who waits for the newest work keeps the device idle, a stall. */
static long recorded[1 << 16];
int cuEventRecord(void *event, void *stream) {
    (void)stream;
    recorded[(intptr_t)event & 0xffff] = launches;
    return OK;
}
int cuEventQuery(void *event) { (void)event; return lost(); }
int cuEventSynchronize(void *event) {
    waits++;
    stalls += recorded[(intptr_t)event & 0xffff] == launches;
    return lost();
}
int cuEventDestroy_v2(void *event) { (void)event; return OK; }

int cuModuleLoadData(void **module, const void *image) { (void)image; return handle(module); }
int cuModuleUnload(void *module) { (void)module; return OK; }
int cuModuleGetFunction(void **function, void *module, const char *name) { (void)module; (void)name; return handle(function); }
int cuFuncSetAttribute(void *function, int attribute, int value) { (void)function; (void)attribute; (void)value; return OK; }
int cuLaunchKernel(void *function, unsigned a, unsigned b, unsigned c, unsigned d, unsigned e, unsigned f, unsigned shared,
                   void *stream, void **arguments, void **extra) {
    (void)function; (void)a; (void)b; (void)c; (void)d; (void)e; (void)f; (void)shared; (void)stream; (void)arguments; (void)extra;
    launches++;
    return lost();
}
int cuTensorMapEncodeTiled(void) { return OK; }
int cuTensorMapEncodeIm2col(void) { return OK; }
int cuTensorMapEncodeIm2colWide(void) { return OK; }

int cuGetErrorName(int error, const char **name) { (void)error; *name = "CUDA_ERROR_OF_THE_STAND_IN"; return OK; }
int cuGetErrorString(int error, const char **text) { (void)error; *text = "an error of the stand-in"; return OK; }
/* NVRTC 13 asks a driver that it finds for more than it documents. */
int cuGetExportTable(const void **table, const void *id) { (void)table; (void)id; return 500; }
