#!/bin/sh
# Proves a Cleave binary on a GPU, stage by stage, without a network. docs/gpu-proof.md says more.
#
#   gpu-proof.sh [options] [STAGE...]     run stages: facts parity start speed kernels vgg16 resnet18 (default: all)
#   gpu-proof.sh [options] pack FILE.tar  put all that is needed into one file of at most 64 MiB
#
# Each stage appends one line of JSON to results.jsonl. A stage that is done is not run again; one that was cut
# off, used up the time, or failed, goes on where it was when it is started again.
#
#   --out DIR         results, logs and runs (default ./gpu-proof)
#   --cleave FILE     the binary (default: cleave beside this script, else on the PATH)
#   --parity FILE     the parity test's executable (default: parity beside this script)
#   --fixtures DIR    the reference's numbers (default: fixtures beside this script)
#   --data ARCHIVE    CIFAR-10 as an image folder, .tar.xz (default: cifar10-jpeg.tar.xz beside this script)
#   --peer FILE       peer_torch.py (default: beside this script); without it or PyTorch speeds stand alone
#   --python FILE     Python with PyTorch (default: python3)
#   --device DEVICE   cuda, cuda:N or cpu (default cuda)
#   --precision P     arithmetic of the paper runs: f32 (default), tf32 or bf16
#   --scale SCALE     full (default), or tiny: some minutes on a CPU, to try the script
#   --budget SECONDS  time of this call (default 540); what needs more goes on with the next: exit code 75
#
# Exit codes: 0 all done; 1 a stage failed; 2 wrong use; 75 time is used up, call again.
# shellcheck disable=SC2329 # stages are called by their names
set -u
export LC_ALL=C

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
stages="facts parity start speed kernels vgg16 resnet18"
out=gpu-proof cleave='' parity='' fixtures='' data='' peer='' python=python3
device=cuda precision=f32 scale=full budget=540 pack='' chosen=''

die() { echo "gpu-proof: $1" >&2; exit "${2:-1}"; }
say() { echo "gpu-proof: $1" >&2; }

while [ $# -gt 0 ]; do
    case $1 in
    --out | --cleave | --parity | --fixtures | --data | --peer | --python | --device | --precision | --scale | --budget)
        [ $# -gt 1 ] || die "$1 wants a value" 2
        eval "${1#--}=\$2"
        shift 2
        ;;
    -h | --help) sed -n '2,/^# Exit codes/s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) die "unknown option $1; see --help" 2 ;;
    pack)
        [ $# -eq 2 ] || die "pack wants one file name" 2
        pack=$2
        shift 2
        ;;
    *)
        case " $stages " in *" $1 "*) chosen="$chosen $1" ;; *) die "unknown stage $1; there are: $stages" 2 ;; esac
        shift
        ;;
    esac
done
case $scale in full | tiny) ;; *) die "--scale is full or tiny" 2 ;; esac
case $precision in f32 | tf32 | bf16) ;; *) die "--precision is f32, tf32 or bf16" 2 ;; esac
case $budget in '' | *[!0-9]*) die "--budget is a number of seconds" 2 ;; esac

# A file beside the script, unless one was named.
beside() { if [ -n "$1" ]; then echo "$1"; elif [ -e "$here/$2" ]; then echo "$here/$2"; else return 1; fi; }
cleave=$(beside "$cleave" cleave || command -v cleave || true)
parity=$(beside "$parity" parity)
fixtures=$(beside "$fixtures" fixtures)
data=$(beside "$data" cifar10-jpeg.tar.xz)
peer=$(beside "$peer" peer_torch.py)
for piece in cleave parity fixtures data peer; do
    eval "file=\$$piece"
    [ -z "$file" ] || [ -e "$file" ] || die "--$piece: there is no $file" 2
done

# ---------------------------------------------------------------- packing

if [ -n "$pack" ]; then
    limit=$((64 * 1024 * 1024))
    for piece in cleave parity fixtures data peer; do
        eval "[ -n \"\$$piece\" ]" || die "pack: no $piece; name it with --$piece" 2
    done
    dir=$(mktemp -d) || die "no temporary directory"
    trap 'rm -rf "$dir"' EXIT
    trap 'exit 130' INT TERM
    to=$dir/gpu-proof
    mkdir "$to" || die "cannot make $to"
    cp "$0" "$to/gpu-proof.sh" || die "cannot copy $0"
    cp "$cleave" "$to/cleave" || die "cannot copy $cleave"
    cp "$parity" "$to/parity" || die "cannot copy $parity"
    cp -r "$fixtures" "$to/fixtures" || die "cannot copy $fixtures"
    cp "$data" "$to/cifar10-jpeg.tar.xz" || die "cannot copy $data"
    cp "$peer" "$to/peer_torch.py" || die "cannot copy $peer"
    chmod -R u+w "$to" && chmod u+x "$to/gpu-proof.sh"
    for name in cleave parity; do
        strip "$to/$name" || die "strip failed on $name"
        xz -9 -T2 "$to/$name" || die "xz failed on $name"
    done
    tar -C "$dir" -cf "$pack" gpu-proof || die "cannot write $pack"
    (cd "$to" && du -k -- *) >&2
    size=$(wc -c <"$pack")
    say "$pack: $((size / 1024)) KiB of $((limit / 1024))"
    [ "$size" -le "$limit" ] || die "$pack is larger than 64 MiB"
    say "there: tar -xf ${pack##*/} && cd gpu-proof && xz -d cleave.xz parity.xz && ./gpu-proof.sh"
    exit 0
fi

[ -n "$cleave" ] && [ -x "$cleave" ] || die "no cleave binary that can be run: name it with --cleave" 2

# ---------------------------------------------------------------- the device

# All programs see the one device that is meant, as their first; so they need not agree on numbers.
shown=$device
case $device in
cpu) ;;
cuda | cuda:[0-9] | cuda:[0-9][0-9])
    number=${device#cuda}
    number=${number#:}
    number=${number:-0}
    if [ -n "${CUDA_VISIBLE_DEVICES:-}" ]; then
        # N counts what is left visible.
        CUDA_VISIBLE_DEVICES=$(printf '%s\n' "$CUDA_VISIBLE_DEVICES" | awk -F, -v n="$number" '{ print $(n + 1) }')
        [ -n "$CUDA_VISIBLE_DEVICES" ] || die "CUDA_VISIBLE_DEVICES has no device $number" 2
    else
        CUDA_VISIBLE_DEVICES=$number
    fi
    # The order of nvidia-smi.
    CUDA_DEVICE_ORDER=${CUDA_DEVICE_ORDER:-PCI_BUS_ID}
    export CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER
    device=cuda
    ;;
*) die "--device is cpu, cuda or cuda:N" 2 ;;
esac
is_gpu() { [ "$device" != cpu ]; }
smi() { nvidia-smi -i "$CUDA_VISIBLE_DEVICES" "$@"; }
has_smi() { is_gpu && command -v nvidia-smi >/dev/null; }
has_parity() { [ -n "$parity" ] && [ -n "$fixtures" ]; }
torch=''
has_torch() {
    if [ -z "$torch" ]; then
        torch=no
        [ -n "$peer" ] && "$python" -c 'import torch' 2>/dev/null && torch=yes
    fi
    [ "$torch" = yes ]
}

# ---------------------------------------------------------------- JSON, time, results

mkdir -p "$out/logs" "$out/cells" || die "cannot make $out"
out=$(CDPATH='' cd -- "$out" && pwd)
results=$out/results.jsonl
CLEAVE_HOME=$out/home
export CLEAVE_HOME
unset CLEAVE_FIXTURES CLEAVE_PARITY_DEVICE CLEAVE_PARITY_PRECISION CLEAVE_PARITY_RELATIVE CLEAVE_PARITY_CASE

now() { date +%s; }
began=$(now)
left() { echo $((budget - ($(now) - began))); }
# Ends the stage for this call when less than so many seconds are left; at tiny scale all is done sooner.
need() {
    seconds=$1
    [ "$scale" = tiny ] && seconds=$((seconds / 20 + 1))
    [ "$(left)" -ge "$seconds" ] || return 75
}
text() { printf '"%s"' "$(printf '%s' "$1" | tr '\n\t' '  ' | sed 's/\\/\\\\/g; s/"/\\"/g' | tr -d '\000-\037')"; }
# The value of a key of a flat JSON object on stdin.
field() { sed -n "s/.*\"$1\":[ ]*\"\{0,1\}\([^,\"}]*\).*/\1/p" | awk 'NF { last = $0 } END { if (last != "") print last }'; }
is_done() {
    [ -f "$results" ] || return 1
    line=$(grep "^{\"stage\":\"$1\",\"ok\":true," "$results" | tail -1)
    case $line in
    '') return 1 ;;
    *'"skipped":true'*) ! has_parity ;;
    esac
}
# Appends a stage's line: name, whether it is well, then the rest of the object. Fails where the stage does.
finish() {
    printf '{"stage":"%s","ok":%s,"at":"%s","device":%s,"scale":"%s",%s}\n' \
        "$1" "$2" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(text "$shown")" "$scale" "$3" >"$results.new"
    cat "$results.new" >>"$results" && rm "$results.new"
    tail -1 "$results"
    [ "$2" = true ]
}

# What is kept belongs to one device, scale, arithmetic and build. What was not there before may come.
keep_settings() {
    rm -f "$out/settings.new"
    sum() { if [ -f "$1" ]; then sha256sum <"$1" | cut -c1-64; else echo none; fi; }
    for pair in "device=$shown" "scale=$scale" "precision=$precision" "cleave=$(sum "$cleave")" "parity=$(sum "$parity")"; do
        key=${pair%%=*} value=${pair#*=}
        old=$(sed -n "s/^$key=//p" "$out/settings" 2>/dev/null)
        case $old:$value in
        "$value:$value" | :* | none:*) ;;
        *:none) value=$old ;;
        *) die "$out has results of another $key ($old, now $value): name another --out, or remove it" 2 ;;
        esac
        echo "$key=$value" >>"$out/settings.new"
    done
    mv "$out/settings.new" "$out/settings"
}
keep_settings

# ---------------------------------------------------------------- children

# A program that outlived the script would keep the GPU, and the lock of its run.
child='' watcher=''
stop() {
    trap '' HUP INT TERM
    [ -n "$watcher" ] && kill "$watcher" 2>/dev/null
    [ -n "$child" ] && kill "$child" 2>/dev/null && say "ending what runs" && wait "$child"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM

# Runs a command for at most so many seconds; 75 when they are over. The first signal has it save what it has.
limited() {
    [ "$1" -gt 0 ] || return 75
    timeout --kill-after=20 "$@" &
    child=$!
    wait "$child"
    status=$?
    child=''
    case $status in 124 | 137) return 75 ;; *) return "$status" ;; esac
}

# What becomes of a piece of work that was cut off: name, seconds that it was given. Tuning that was done is kept, so
# that the next call gets further; but what had most of a call three times over needs longer ones.
cut_off() {
    [ "$2" -ge $((budget / 2)) ] || return 75
    echo cut >>"$out/cells/$1.cut"
    [ $(($(wc -l <"$out/cells/$1.cut"))) -ge 3 ] || return 75
    rm "$out/cells/$1.cut"
    say "$1 takes longer than a call of $budget s, thrice: give it more with --budget"
    return 1
}

# ---------------------------------------------------------------- stages

facts() {
    devices=$("$cleave" devices --json 2>"$out/logs/devices.txt") || return 1
    devices=$(printf '%s' "$devices" | tr -d '\n')
    smi=null
    if has_smi; then
        query=name,driver_version,memory.total,clocks.max.sm,power.limit,pcie.link.gen.max
        smi=$(text "$(smi --query-gpu="$query" --format=csv,noheader 2>&1)")
    fi
    versions=null
    if has_torch; then
        versions=$(text "$("$python" -c 'import torch; print(torch.__version__, torch.version.cuda, torch.backends.cudnn.version(),
"conv tf32", torch.backends.cudnn.allow_tf32, "matmul tf32", torch.backends.cuda.matmul.allow_tf32)' 2>&1)")
    fi
    cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -1)
    version=$("$cleave" --version 2>/dev/null | head -1)
    ok=true
    if is_gpu; then
        # What is missing is in the line; nothing else can be proven then.
        printf '%s' "$devices" | grep -Eq '"device": ?"cuda(:[0-9]+)?"[^}]*"problem": ?null' || ok=false
    fi
    finish facts "$ok" "\"program\":$(text "$version"),\"cpu\":$(text "$cpu"),\"kernel\":$(text "$(uname -sr)"),\"report\":$devices,\"nvidia_smi\":$smi,\"torch\":$versions"
}

# The parity test's line for a fixture in one arithmetic: precision, bound, file. Kernels are tuned once for all.
parity_cell() {
    name=${3##*/}
    cell=$out/cells/parity-$1-$name.txt log=$out/logs/parity-$1-$name.txt
    [ -f "$cell" ] && return 0
    need 20 || return 75
    given=$(left)
    limited "$given" env CLEAVE_FIXTURES="$fixtures" CLEAVE_PARITY_CASE="$name" CLEAVE_PARITY_DEVICE="$device" \
        CLEAVE_PARITY_PRECISION="$1" CLEAVE_PARITY_RELATIVE="$2" CLEAVE_PARITY_TUNING="$out/home/parity" \
        "$parity" --nocapture >"$log" 2>&1
    status=$?
    [ "$status" -eq 75 ] && { cut_off "parity-$1-$name" "$given"; return $?; }
    # The line may follow the test's name on the same line.
    grep -o "parity $name: .*" "$log" >"$cell.new"
    # A test that differs ends with 101; anything else is a crash, and so is no line.
    case $status:$(cat "$cell.new") in
    0:*': ok, '* | 101:*': FAILED, '*) mv "$cell.new" "$cell" ;;
    *)
        say "parity: $name in $1 gave no result (exit code $status), see $log"
        return 1
        ;;
    esac
}

parity() {
    if ! has_parity; then
        say "parity: there is no parity executable, or there are no fixtures"
        # The script can be tried without them; a binary is not proven.
        ok=true
        is_gpu && [ "$scale" = full ] && ok=false
        finish parity "$ok" '"skipped":true'
        return $?
    fi
    rows='' ok=true
    for pair in f32:1e-3 tf32:1e-2 bf16:1e-2; do
        kind=${pair%:*}
        is_gpu || [ "$kind" = f32 ] || continue
        cases=0 bad=0 missing=0 lines=''
        for file in "$fixtures"/*.safetensors; do
            cases=$((cases + 1))
            parity_cell "$kind" "${pair#*:}" "$file"
            case $? in
            0) row=$(cat "$cell") ;;
            75) return 75 ;;
            *) missing=$((missing + 1)) && continue ;;
            esac
            lines="$lines$(text "$row"),"
            case $row in *': FAILED, '*) bad=$((bad + 1)) ;; esac
        done
        # A reduced precision that strays is a finding; f32 that does is a failure, and so is a test without a result.
        [ "$missing" -eq 0 ] || ok=false
        [ "$kind" = f32 ] && [ "$bad" -ne 0 ] && ok=false
        say "parity: $kind within ${pair#*:}: $cases cases, $bad differ, $missing without a result"
        rows="$rows\"$kind\":{\"bound\":${pair#*:},\"cases\":$cases,\"failed\":$bad,\"missing\":$missing,\"lines\":[${lines%,}]},"
    done
    finish parity "$ok" "${rows%,}"
}

# Seconds of a first training step where nothing was tuned or compiled before, and where all was.
start() {
    model=vgg16 batch=128 row=''
    if [ "$scale" = tiny ]; then model=small batch=8; fi
    for state in cold warm; do
        cell=$out/cells/start-$state.json
        if [ ! -s "$cell" ]; then
            need 60 || return 75
            # The driver keeps compiled kernels of its own.
            [ "$state" = cold ] && rm -rf "$out/home-start"
            given=$(left) from=$(now)
            limited "$given" env CLEAVE_HOME="$out/home-start" CUDA_CACHE_PATH="$out/home-start/driver" \
                "$cleave" bench step --model "$model" --batch "$batch" --warmup 0 --steps 1 --device "$device" \
                --precision "$precision" --json >"$cell.new" 2>>"$out/logs/start.txt"
            status=$?
            [ "$status" -eq 75 ] && { cut_off "start-$state" "$given"; return $?; }
            [ "$status" -eq 0 ] || { tail -3 "$out/logs/start.txt" >&2; return 1; }
            printf '{"first_step":%s,"process":%s}' "$(field median_s <"$cell.new")" $(($(now) - from)) >"$cell"
            rm "$cell.new"
        fi
        row="$row,\"$state\":$(field first_step <"$cell"),\"$state-process\":$(field process <"$cell")"
    done
    finish start true "\"unit\":\"s\",\"model\":\"$model\",\"batch\":$batch,\"precision\":\"$precision\"$row"
}

# Images a second of one timing, kept in a file. Names: who, mode, model, batch, kind, round.
timing() {
    name=speed-$1-$2-$3-$4-$5
    cell=$out/cells/$name-$6.json failed=$out/cells/$name.failed
    [ -s "$cell" ] && return 0
    # A peer that cannot do it is tried twice.
    [ -f "$failed" ] && [ $(($(wc -l <"$failed"))) -ge 2 ] && return 0
    need 45 || return 75
    plain='' steps=12 warmup=4
    [ "$5" = plain ] && plain=--plain
    [ "$scale" = tiny ] && steps=1 warmup=1
    given=$(left)
    # shellcheck disable=SC2086 # one word, or none
    case $1 in
    ours-*)
        limited "$given" "$cleave" bench "$2" --model "$3" --batch "$4" $plain --steps "$steps" --warmup "$warmup" \
            --device "$device" --precision "${1#ours-}" --json >"$cell.new" 2>>"$out/logs/speed.txt"
        ;;
    peer-*)
        # Without TF32 anywhere; with it in products too, where PyTorch leaves it off; as PyTorch comes.
        compile=''
        case $1 in
        peer-f32) set -- "$@" NVIDIA_TF32_OVERRIDE=0 ;;
        peer-default) set -- "$@" -u TORCH_ALLOW_TF32_CUBLAS_OVERRIDE ;;
        *) set -- "$@" TORCH_ALLOW_TF32_CUBLAS_OVERRIDE=1 ;;
        esac
        [ "$1" = peer-compile ] && compile=--compile warmup=$((warmup + 4))
        mode=$2 model=$3 batch=$4
        shift 6
        limited "$given" env -u NVIDIA_TF32_OVERRIDE "$@" "$python" "$peer" "$mode" --model "$model" --batch "$batch" \
            $plain $compile --steps "$steps" --warmup "$warmup" --device "$device" >"$cell.new" 2>>"$out/logs/speed.txt"
        ;;
    esac
    status=$?
    [ "$status" -ne 75 ] || { cut_off "$name" "$given"; [ $? -eq 75 ] && return 75; }
    value=$(tail -1 "$cell.new" | field img_per_s)
    case $status:$value in
    0:[0-9]*)
        tail -1 "$cell.new" | tr -d '\n' >"$cell"
        rm "$cell.new"
        say "$name: $value images/s"
        ;;
    *)
        # The others go on; the stage fails if it is ours.
        say "$name failed (exit code $status), see logs/speed.txt"
        case $name in speed-peer-*) echo "exit code $status" >>"$failed" ;; esac
        ;;
    esac
}

# The median of the rounds of a timing; nothing unless all are there.
median() {
    for round in $rounds; do
        file=$out/cells/speed-$1-$2-$3-$4-$5-$round.json
        [ -s "$file" ] && field img_per_s <"$file"
    done | sort -n | awk -v all="$rounds" '{ v[NR] = $1 } END { if (NR == split(all, _, " ")) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

speed() {
    models="vgg16 resnet18 small" batches="128 512" rounds="1 2 3" who="ours-f32 ours-tf32"
    has_torch && who="ours-f32 peer-f32 ours-tf32 peer-tf32 peer-default peer-compile"
    if [ "$scale" = tiny ]; then models=small batches=8 rounds="1 2"; fi
    if ! is_gpu; then who=ours-f32; has_torch && who="ours-f32 peer-f32"; fi
    table='' ok=true
    for mode in step infer; do for model in $models; do for batch in $batches; do for kind in modular plain; do
        # Ours, the peer, ours, the peer.
        for round in $rounds; do for each in $who; do
            timing "$each" "$mode" "$model" "$batch" "$kind" "$round" || return $?
        done; done
        row="\"mode\":\"$mode\",\"model\":\"$model\",\"batch\":$batch,\"kind\":\"$kind\""
        for each in $who; do
            value=$(median "$each" "$mode" "$model" "$batch" "$kind")
            row="$row,\"$each\":${value:-null}"
            case $each:$value in ours-*:) ok=false ;; esac
        done
        for pair in f32 tf32; do
            ratio=$(awk -v a="$(median "ours-$pair" "$mode" "$model" "$batch" "$kind")" \
                -v b="$(median "peer-$pair" "$mode" "$model" "$batch" "$kind")" 'BEGIN { if (a > 0 && b > 0) printf "%.3f", a / b }')
            [ -n "$ratio" ] && row="$row,\"ratio-$pair\":$ratio"
        done
        table="$table{$row},"
    done; done; done; done
    finish speed "$ok" "\"unit\":\"images/s, medians of ${rounds##* }\",\"rows\":[${table%,}]"
}

# What a profile of CubeCL says of the timed steps: the five kernels that take the most time, and of all of them
# seconds, launches, and whether the summary at the end came. A line `| 12.3µs | name` is a launch, and a name may
# hold bars. A summary ends with its total; the first one is that of the warm-up. The last one is written by a
# thread that the end of the program may cut off, so launches are added up here.
profile() {
    awk '
        /^\| Total / { summaries++; next }
        summaries == 1 && match($0, /^\| [0-9.]+(ns|µs|ms|s) *\| /) {
            name = substr($0, RLENGTH + 1)
            sub(/ *$/, "", name)
            unit = $2
            sub(/^[0-9.]+/, "", unit)
            took = $2 * (unit == "s" ? 1 : unit == "ms" ? 1e-3 : unit == "ns" ? 1e-9 : 1e-6)
            seconds[name] += took; count[name]++; all += took; launches++
        }
        END {
            if (!launches) exit 1
            for (name in seconds) printf "%.9f\t%d\t%.4f\t%s\n", seconds[name], count[name], all ? seconds[name] / all : 0, name | "sort -rn | head -5"
            close("sort -rn | head -5")
            printf "all\t%d\t%.9f\t%s\n", launches, all, (summaries > 1 ? "true" : "false")
        }' "$1" >"$1.top" || return 1
    kernels=''
    while IFS="$(printf '\t')" read -r seconds count share name; do
        if [ "$seconds" = all ]; then
            printf '"top":[%s],"profiled":{"launches":%s,"seconds":%s,"to_the_end":%s}' "${kernels%,}" "$count" "$share" "$name"
        else
            kernels="$kernels{\"kernel\":$(text "$name"),\"seconds\":$seconds,\"launches\":$count,\"share\":$share},"
        fi
    done <"$1.top"
}

# Utilisation while training steps run, and the kernels that take the most time, by CubeCL's own profile.
kernels() {
    model=vgg16 batch=128 steps=200
    if [ "$scale" = tiny ]; then model=small batch=8 steps=2; fi
    bench=$out/cells/kernels-bench.json utilisation=$out/cells/kernels-utilisation.json
    if [ ! -s "$bench" ]; then
        need 60 || return 75
        log=$out/logs/utilisation.csv given=$(left)
        if has_smi; then
            smi --query-gpu=utilization.gpu,utilization.memory,memory.used,power.draw --format=csv,noheader,nounits -lms 200 >"$log" 2>&1 &
            watcher=$!
        fi
        limited "$given" "$cleave" bench step --model "$model" --batch "$batch" --steps "$steps" --device "$device" --precision "$precision" \
            --json >"$bench.new" 2>>"$out/logs/kernels.txt"
        status=$?
        [ -n "$watcher" ] && kill "$watcher"
        watcher=''
        [ "$status" -eq 75 ] && { cut_off kernels-bench "$given"; return $?; }
        [ "$status" -eq 0 ] || { tail -3 "$out/logs/kernels.txt" >&2; return 1; }
        echo null >"$utilisation"
        # The busier half: the rest is start and end.
        has_smi && sort -t, -k1,1nr "$log" | awk -F', *' '{ v[NR] = $1; m = $3 > m ? $3 : m } END { n = int(NR / 2); for (i = 1; i <= n; i++) s += v[i];
            if (n) printf "{\"gpu_percent\":%.1f,\"memory_mib\":%d,\"samples\":%d}", s / n, m, NR; else print "null" }' >"$utilisation"
        tr -d '\n' <"$bench.new" >"$bench" && rm "$bench.new"
    fi
    top='"top":[]'
    if is_gpu; then
        need 60 || return 75
        profile=$out/logs/profile.txt given=$(left)
        rm -f "$profile"
        limited "$given" env CUBECL_DEBUG_LOG="$profile" CUBECL_DEBUG_OPTION=profile "$cleave" bench step --model "$model" --batch "$batch" \
            --steps 10 --device "$device" --precision "$precision" --json >/dev/null 2>>"$out/logs/kernels.txt"
        status=$?
        [ "$status" -eq 75 ] && { cut_off kernels-profile "$given"; return $?; }
        [ "$status" -eq 0 ] || { tail -3 "$out/logs/kernels.txt" >&2; return 1; }
        top=$(profile "$profile") || { say "kernels: no launch of a timed step in $profile"; return 1; }
    fi
    finish kernels true "\"model\":\"$model\",\"batch\":$batch,\"precision\":\"$precision\",\"bench\":$(cat "$bench"),\"utilisation\":$(cat "$utilisation"),$top"
}

# The image folder, unpacked once: all of it, or a few pictures a class.
images() {
    folder=$out/cifar10-$scale
    [ -d "$folder/test" ] && return 0
    [ -n "$data" ] || { say "no CIFAR-10: name the archive with --data"; return 1; }
    need 60 || return 75
    rm -rf "$folder.new" && mkdir "$folder.new" || return 1
    if [ "$scale" = tiny ]; then
        limited "$(left)" tar -xJf "$data" -C "$folder.new" --wildcards 'train/*/000?.jpg' 'test/*/000?.jpg' || return $?
    else
        limited "$(left)" tar -xJf "$data" -C "$folder.new" || return $?
    fi
    mv "$folder.new" "$folder"
}

# What became of the run of exactly this name, as JSON; a name also stands for those that it begins.
show() {
    run=$("$cleave" runs show "$1" --json 2>/dev/null | tr -d '\n')
    [ "$(printf '%s' "$run" | sed -n 's/^{ *"run": *"\([^"]*\)".*/\1/p')" = "$1" ] && printf '%s' "$run"
}

# Trains a preset, from where it was left.
train() {
    name=$1
    state=$(show "$name" | field status)
    [ "$state" = finished ] && return 0
    need 60 || return 75
    if [ -n "$state" ]; then
        set -- --resume "$name"
    else
        epochs=''
        [ "$scale" = tiny ] && epochs="--epochs 2 --set training.batch=20 --set modules.fine_tune_epochs=1 --set data.valid_fraction=0.2"
        # shellcheck disable=SC2086 # several words, or none
        set -- "$2" --name "$name" --precision "$precision" --set data.source=folder --set "data.path=$folder" $epochs
    fi
    # The first signal saves a checkpoint and ends; there must be time for that.
    given=$(left)
    [ "$scale" = full ] && given=$((given - 20))
    limited "$given" "$cleave" train "$@" --device "$device" >>"$out/logs/$name.txt" 2>&1
    status=$?
    [ "$(show "$name" | field status)" = finished ] && return 0
    [ "$status" -eq 75 ] || tail -3 "$out/logs/$name.txt" >&2
    case $status in 75 | 130 | 143) return 75 ;; *) return 1 ;; esac
}

# Takes a module out and keeps its figures. It has no checkpoint: it is begun with at least half of a call before it.
extract() {
    cell=$out/cells/$1-$2.json
    [ -s "$cell" ] && return 0
    [ "$(left)" -ge $((budget / 2)) ] || return 75
    # One that was cut off behind its saving is made anew, and not a second of the name.
    rm -rf "$CLEAVE_HOME/data/runs/$1/modules/$2"
    given=$(left)
    limited "$given" "$cleave" extract "$1" --classes "$3" --name "$2" --device "$device" --json >"$cell.new" 2>>"$out/logs/$1.txt"
    status=$?
    [ "$status" -eq 75 ] && { cut_off "$1-$2" "$given"; return $?; }
    [ "$status" -eq 0 ] || { tail -3 "$out/logs/$1.txt" >&2; return 1; }
    tr -d '\n' <"$cell.new" >"$cell" && rm "$cell.new"
}

paper() {
    images || return $?
    train "$1" "paper-$1-cifar10" || return $?
    train "$1-standard" "paper-$1-cifar10-standard" || return $?
    extract "$1" two 0,1 || return $?
    extract "$1" ten all || return $?
    first=$(grep '"kind":"ready"' "$CLEAVE_HOME/data/runs/$1/events.jsonl" | sed -n 's/.*"seconds":\([0-9.]*\).*/\1/p' | tr '\n' ',')
    "$cleave" runs show "$1" >&2
    "$cleave" runs show "$1-standard" >&2
    finish "$1" true "\"precision\":\"$precision\",\"modular\":$(show "$1"),\"standard\":$(show "$1-standard"),\"two\":$(cat "$out/cells/$1-two.json"),\"ten\":$(cat "$out/cells/$1-ten.json"),\"seconds_to_first_step\":[${first%,}]"
}

# ---------------------------------------------------------------- the way through

code=0
for stage in ${chosen:-$stages}; do
    if is_done "$stage"; then
        say "$stage is done"
        continue
    fi
    entered=$(now)
    say "$stage"
    case $stage in
    vgg16 | resnet18) paper "$stage" ;;
    *) "$stage" ;;
    esac
    status=$?
    case $status in
    0) say "$stage done in $(($(now) - entered)) s" ;;
    75)
        say "$stage: time is used up; call again to go on"
        exit 75
        ;;
    *)
        say "$stage FAILED; logs are in $out/logs"
        code=1
        # Without a device that works there is nothing to prove.
        [ "$stage" = facts ] && exit 1
        ;;
    esac
done
exit $code
