#!/bin/sh
# Proves a Cleave binary on a GPU, stage by stage, without a network. docs/gpu-proof.md says more.
#
#   gpu-proof.sh [options] [STAGE...]     run stages: facts parity speed kernels vgg16 resnet18 (default: all)
#   gpu-proof.sh [options] pack FILE.tar  put all that is needed into one file of at most 64 MiB
#
# Each stage appends one line of JSON to results.jsonl. A stage that is done is not run again; one that was cut
# off, or used up its time, goes on where it was when it is started again.
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
#   --scale SCALE     full (default), or tiny: a minute on a CPU, to try the script
#   --budget SECONDS  time of a call for each stage (default 540); a stage that needs more ends with exit code 75
#
# Exit codes: 0 all done; 1 a stage failed; 2 wrong use; 75 time is used up, call again.
set -u

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
stages="facts parity speed kernels vgg16 resnet18"
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
    -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
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

# A file beside the script, unless one was named.
beside() { if [ -n "$1" ]; then echo "$1"; elif [ -e "$here/$2" ]; then echo "$here/$2"; else return 1; fi; }
cleave=$(beside "$cleave" cleave || command -v cleave || true)
parity=$(beside "$parity" parity)
fixtures=$(beside "$fixtures" fixtures)
data=$(beside "$data" cifar10-jpeg.tar.xz)
peer=$(beside "$peer" peer_torch.py)
[ -x "$cleave" ] || die "no cleave binary: name it with --cleave" 2

# ---------------------------------------------------------------- packing

if [ -n "$pack" ]; then
    limit=$((64 * 1024 * 1024))
    dir=$(mktemp -d) || die "no temporary directory"
    trap 'rm -rf "$dir"' EXIT
    mkdir "$dir/gpu-proof"
    cp "$0" "$dir/gpu-proof/gpu-proof.sh"
    for file in "$cleave" "$parity"; do
        [ -n "$file" ] || continue
        name=cleave
        [ "$file" = "$parity" ] && name=parity
        cp "$file" "$dir/gpu-proof/$name"
        strip "$dir/gpu-proof/$name" || die "strip failed on $file"
        xz -T0 -6 "$dir/gpu-proof/$name" || die "xz failed on $file"
    done
    [ -n "$fixtures" ] && cp -r "$fixtures" "$dir/gpu-proof/fixtures"
    [ -n "$data" ] && cp "$data" "$dir/gpu-proof/cifar10-jpeg.tar.xz"
    [ -n "$peer" ] && cp "$peer" "$dir/gpu-proof/peer_torch.py"
    chmod -R u+w "$dir/gpu-proof"
    tar -C "$dir" -cf "$pack" gpu-proof || die "cannot write $pack"
    size=$(wc -c <"$pack")
    say "$pack: $((size / 1024)) KiB; there: tar -xf $pack, then xz -d gpu-proof/cleave.xz gpu-proof/parity.xz"
    [ "$size" -le "$limit" ] || die "$pack is larger than 64 MiB"
    exit 0
fi

# ---------------------------------------------------------------- JSON, time, results

mkdir -p "$out/logs" "$out/cells" || die "cannot make $out"
out=$(CDPATH='' cd -- "$out" && pwd)
results=$out/results.jsonl
CLEAVE_HOME=$out/home
export CLEAVE_HOME
unset CLEAVE_FIXTURES CLEAVE_PARITY_DEVICE CLEAVE_PARITY_PRECISION CLEAVE_PARITY_RELATIVE

now() { date +%s; }
text() { printf '"%s"' "$(printf '%s' "$1" | tr '\n\t' '  ' | sed 's/\\/\\\\/g; s/"/\\"/g' | tr -d '\000-\037')"; }
# The value of a key of a flat JSON object on stdin.
field() { sed -n "s/.*\"$1\":[ ]*\"\{0,1\}\([^,\"}]*\).*/\1/p" | awk 'NF { last = $0 } END { if (last != "") print last }'; }
is_done() { [ -f "$results" ] && grep -q "^{\"stage\":\"$1\",\"ok\":true," "$results"; }
# Appends a stage's line: name, whether it is well, then the rest of the object.
finish() {
    printf '{"stage":"%s","ok":%s,"at":"%s","device":%s,"scale":"%s",%s}\n' \
        "$1" "$2" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(text "$device")" "$scale" "$3" >"$results.new"
    cat "$results.new" >>"$results" && rm "$results.new"
    tail -1 "$results"
}
left() { echo $((budget - ($(now) - began))); }
# Ends the stage for this call when less than so many seconds are left.
need() { [ "$(left)" -ge "$1" ] || return 75; }
has_torch() { [ -n "$peer" ] && "$python" -c 'import torch' 2>/dev/null; }
is_gpu() { [ "$device" != cpu ]; }

# ---------------------------------------------------------------- stages

facts() {
    devices=$("$cleave" devices --json 2>"$out/logs/devices.txt") || return 1
    devices=$(printf '%s' "$devices" | tr -d '\n')
    smi=null
    if command -v nvidia-smi >/dev/null; then
        query=name,driver_version,memory.total,clocks.max.sm,power.limit,pcie.link.gen.max
        smi=$(text "$(nvidia-smi --query-gpu="$query" --format=csv,noheader 2>&1)")
    fi
    torch=null
    if has_torch; then
        torch=$(text "$("$python" -c 'import torch; print(torch.__version__, torch.version.cuda, torch.backends.cudnn.version(),
"conv tf32", torch.backends.cudnn.allow_tf32, "matmul tf32", torch.backends.cuda.matmul.allow_tf32)' 2>&1)")
    fi
    cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -1)
    version=$("$cleave" --version 2>/dev/null | head -1)
    ok=true
    if is_gpu; then
        # What is missing is in the line; nothing else can be proven then.
        printf '%s' "$devices" | grep -Eq '"device": ?"cuda(:[0-9]+)?"[^}]*"problem": ?null' || ok=false
    fi
    finish facts $ok "\"program\":$(text "$version"),\"cpu\":$(text "$cpu"),\"kernel\":$(text "$(uname -sr)"),\"report\":$devices,\"nvidia_smi\":$smi,\"torch\":$torch"
    [ $ok = true ]
}

# One line of the parity test for each fixture, in one arithmetic.
parity_cell() {
    cell=$out/cells/parity-$1.txt
    [ -f "$cell" ] && return 0
    CLEAVE_FIXTURES=$fixtures CLEAVE_PARITY_DEVICE=$device CLEAVE_PARITY_PRECISION=$1 CLEAVE_PARITY_RELATIVE=$2 \
        timeout "$(left)" "$parity" --nocapture >"$out/logs/parity-$1.txt" 2>&1
    status=$?
    [ "$status" -eq 124 ] && return 75
    grep '^parity ' "$out/logs/parity-$1.txt" >"$cell.new"
    [ -s "$cell.new" ] || return 1
    mv "$cell.new" "$cell"
}

parity() {
    if [ -z "$parity" ] || [ -z "$fixtures" ]; then
        say "parity: skipped, there is no parity executable or no fixtures"
        finish parity true '"skipped":true'
        return 0
    fi
    line='' failed=0
    for pair in f32:1e-3 tf32:1e-2 bf16:1e-2; do
        is_gpu || [ "${pair%:*}" = f32 ] || continue
        need 20 || return 75
        parity_cell "${pair%:*}" "${pair#*:}" || return $?
        cell=$out/cells/parity-${pair%:*}.txt
        cases=$(wc -l <"$cell") bad=$(grep -c ': FAILED' "$cell")
        # A reduced precision that strays is a finding; f32 that does is a failure.
        [ "${pair%:*}" = f32 ] && failed=$bad
        lines=$(while read -r row; do printf '%s,' "$(text "$row")"; done <"$cell")
        line="$line\"${pair%:*}\":{\"bound\":${pair#*:},\"cases\":$((cases)),\"failed\":$bad,\"lines\":[${lines%,}]},"
    done
    ok=true
    [ "$failed" -eq 0 ] || ok=false
    finish parity $ok "${line%,}"
    [ $ok = true ]
}

# Images a second of one timing, kept in a file. Names: who, mode, model, batch, kind, round.
timing() {
    cell=$out/cells/speed-$1-$2-$3-$4-$5-$6.json
    [ -s "$cell" ] && return 0
    need 45 || return 75
    plain=''
    [ "$5" = plain ] && plain=--plain
    steps=12 warmup=4
    [ "$scale" = tiny ] && steps=1 warmup=1
    case $1 in
    ours-*)
        # shellcheck disable=SC2086 # no word for a network that is not plain
        timeout "$(left)" "$cleave" bench "$2" --model "$3" --batch "$4" $plain --steps $steps --warmup $warmup \
            --device "$device" --precision "${1#ours-}" --json >"$cell.new" 2>>"$out/logs/speed.txt"
        ;;
    peer-*)
        compile='' override=''
        [ "$1" = peer-compile ] && compile=--compile warmup=$((warmup + 4))
        # The same arithmetic on both sides: without TF32, and with PyTorch's own choice.
        [ "$1" = peer-f32 ] && override=0
        # shellcheck disable=SC2086
        NVIDIA_TF32_OVERRIDE=$override timeout "$(left)" "$python" "$peer" "$2" --model "$3" --batch "$4" $plain $compile \
            --steps $steps --warmup $warmup --device "${device%%:*}" 2>>"$out/logs/speed.txt" | tail -1 >"$cell.new"
        ;;
    esac
    status=$?
    [ "$status" -eq 124 ] && return 75
    case $(field img_per_s <"$cell.new") in
    [0-9]*) tr -d '\n' <"$cell.new" >"$cell" && rm "$cell.new" ;;
    *)
        # It is noted and the others go on.
        say "speed: $1 $2 $3 $4 $5 failed, see logs/speed.txt"
        printf '{"failed":true}' >"$cell"
        ;;
    esac
}

# The median of the rounds of a timing; nothing if one failed.
median() {
    for round in $rounds; do field img_per_s <"$out/cells/speed-$1-$2-$3-$4-$5-$round.json"; done |
        sort -n | awk '{ v[NR] = $1 } END { if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

speed() {
    models="vgg16 resnet18 small" batches="128 512" rounds="1 2 3" who="ours-f32 ours-tf32"
    has_torch && who="ours-f32 peer-f32 ours-tf32 peer-tf32 peer-compile"
    if [ "$scale" = tiny ]; then models=small batches=8 rounds="1 2"; fi
    if ! is_gpu; then who=ours-f32; has_torch && who="ours-f32 peer-f32"; fi
    rows=''
    for mode in step infer; do for model in $models; do for batch in $batches; do for kind in modular plain; do
        # Ours, the peer, ours, the peer.
        for round in $rounds; do for name in $who; do
            timing "$name" "$mode" "$model" "$batch" "$kind" "$round" || return $?
        done; done
        row="\"mode\":\"$mode\",\"model\":\"$model\",\"batch\":$batch,\"kind\":\"$kind\""
        for name in $who; do
            value=$(median "$name" "$mode" "$model" "$batch" "$kind")
            row="$row,\"$name\":${value:-null}"
        done
        for pair in f32 tf32; do
            ratio=$(awk -v a="$(median "ours-$pair" "$mode" "$model" "$batch" "$kind" 2>/dev/null)" \
                -v b="$(median "peer-$pair" "$mode" "$model" "$batch" "$kind" 2>/dev/null)" 'BEGIN { if (a > 0 && b > 0) printf "%.3f", a / b }')
            [ -n "$ratio" ] && row="$row,\"ratio-$pair\":$ratio"
        done
        rows="$rows{$row},"
    done; done; done; done
    finish speed true "\"unit\":\"images/s, medians of ${rounds##* }\",\"rows\":[${rows%,}]"
}

# Utilisation while training steps run, and the kernels that take the most time, by CubeCL's own profile.
kernels() {
    need 60 || return 75
    model=vgg16 batch=128 steps=200
    if [ "$scale" = tiny ]; then model=small batch=8 steps=2; fi
    log=$out/logs/utilisation.csv
    watcher=''
    if is_gpu && command -v nvidia-smi >/dev/null; then
        nvidia-smi --query-gpu=utilization.gpu,utilization.memory,memory.used,power.draw --format=csv,noheader,nounits -lms 200 >"$log" 2>&1 &
        watcher=$!
    fi
    timeout "$(left)" "$cleave" bench step --model "$model" --batch "$batch" --steps "$steps" --device "$device" --precision "$precision" \
        --json >"$out/cells/kernels-bench.json" 2>>"$out/logs/kernels.txt"
    status=$?
    [ -n "$watcher" ] && kill "$watcher"
    [ "$status" -eq 124 ] && return 75
    [ "$status" -eq 0 ] || return 1
    use=null
    if [ -n "$watcher" ]; then
        # The busier half: the rest is start and end.
        use=$(sort -t, -k1,1nr "$log" | awk -F', *' '{ v[NR] = $1; m = $3 > m ? $3 : m } END { n = int(NR / 2); for (i = 1; i <= n; i++) s += v[i];
            if (n) printf "{\"gpu_percent\":%.1f,\"memory_mib\":%d,\"samples\":%d}", s / n, m, NR; else print "null" }')
    fi
    top=''
    if is_gpu; then
        profile=$out/logs/profile.txt
        rm -f "$profile"
        CUBECL_DEBUG_LOG=$profile CUBECL_DEBUG_OPTION=profile timeout "$(left)" "$cleave" bench step --model "$model" --batch "$batch" \
            --steps 5 --device "$device" --precision "$precision" --json >/dev/null 2>>"$out/logs/kernels.txt"
        [ $? -eq 124 ] && return 75
        # The last summary is that of the timed steps: name, duration, times, share.
        top=$(awk '/^\| Name / { n = 0; delete row; next } /^\| .* % *\|/ && !/^\| Total / { row[++n] = $0 }
            END { for (i = 1; i <= n && i <= 5; i++) print row[i] }' "$profile" 2>/dev/null |
            while IFS='|' read -r _ name duration times share _; do
                trim() { printf '%s' "$1" | sed 's/^ *//; s/ *$//'; }
                printf '{"kernel":%s,"time":%s,"launches":%s,"share":%s},' "$(text "$(trim "$name")")" \
                    "$(text "$(trim "$duration")")" "$(text "$(trim "$times")")" "$(text "$(trim "$share")")"
            done)
    fi
    finish kernels true "\"model\":\"$model\",\"batch\":$batch,\"precision\":\"$precision\",\"bench\":$(cat "$out/cells/kernels-bench.json"),\"utilisation\":$use,\"top\":[${top%,}]"
}

# The image folder, unpacked once: all of it, or a few pictures a class.
images() {
    folder=$out/cifar10-$scale
    [ -d "$folder/test" ] && return 0
    [ -n "$data" ] || { say "no CIFAR-10: name the archive with --data"; return 1; }
    rm -rf "$folder.new" && mkdir "$folder.new" || return 1
    if [ "$scale" = tiny ]; then
        tar -xJf "$data" -C "$folder.new" --wildcards 'train/*/000?.jpg' 'test/*/000?.jpg' || return 1
    else
        tar -xJf "$data" -C "$folder.new" || return 1
    fi
    mv "$folder.new" "$folder"
}

# Trains a preset, from where it was left.
train() {
    state=$("$cleave" runs show "$1" --json 2>/dev/null | tr -d '\n' | field status)
    [ "$state" = finished ] && return 0
    need 15 || return 75
    if [ -n "$state" ]; then
        set -- "$1" --resume "$1"
    else
        epochs=''
        [ "$scale" = tiny ] && epochs="--epochs 2 --set training.batch=20 --set modules.fine_tune_epochs=1 --set data.valid_fraction=0.2"
        # shellcheck disable=SC2086 # several words, or none
        set -- "$1" "$2" --name "$1" --precision "$precision" --set data.source=folder --set "data.path=$folder" $epochs
    fi
    name=$1
    shift
    # The first interrupt saves a checkpoint and ends; there must be time for that.
    timeout --signal=INT --kill-after=60 "$(($(left) - 10))" "$cleave" train "$@" --device "$device" >>"$out/logs/$name.txt" 2>&1
    status=$?
    state=$("$cleave" runs show "$name" --json 2>/dev/null | tr -d '\n' | field status)
    [ "$state" = finished ] && return 0
    case $status in 124 | 130 | 137) return 75 ;; *) tail -3 "$out/logs/$name.txt" >&2; return 1 ;; esac
}

# Takes a module out and keeps its figures.
extract() {
    cell=$out/cells/$1-$2.json
    [ -s "$cell" ] && return 0
    need 15 || return 75
    timeout "$(left)" "$cleave" extract "$1" --classes "$3" --name "$2" --device "$device" --json >"$cell.new" 2>>"$out/logs/$1.txt"
    status=$?
    [ "$status" -eq 124 ] && return 75
    [ "$status" -eq 0 ] || { tail -3 "$out/logs/$1.txt" >&2; return 1; }
    tr -d '\n' <"$cell.new" >"$cell" && rm "$cell.new"
}

paper() {
    images || return $?
    train "$1" "paper-$1-cifar10" || return $?
    train "$1-standard" "paper-$1-cifar10-standard" || return $?
    extract "$1" two 0,1 || return $?
    extract "$1" ten all || return $?
    show() { "$cleave" runs show "$1" --json | tr -d '\n'; }
    first=$(grep '"kind":"ready"' "$CLEAVE_HOME/data/runs/$1/events.jsonl" | sed -n 's/.*"seconds":\([0-9.]*\).*/\1/p' | tr '\n' ',')
    finish "$1" true "\"precision\":\"$precision\",\"modular\":$(show "$1"),\"standard\":$(show "$1-standard"),\"two\":$(cat "$out/cells/$1-two.json"),\"ten\":$(cat "$out/cells/$1-ten.json"),\"seconds_to_first_step\":[${first%,}]"
    "$cleave" runs show "$1" >&2
    "$cleave" runs show "$1-standard" >&2
}

# ---------------------------------------------------------------- the way through

code=0
for stage in ${chosen:-$stages}; do
    if is_done "$stage"; then
        say "$stage is done"
        continue
    fi
    began=$(now)
    say "$stage"
    case $stage in
    facts) facts ;;
    parity) parity ;;
    speed) speed ;;
    kernels) kernels ;;
    *) paper "$stage" ;;
    esac
    status=$?
    case $status in
    0) say "$stage done in $(($(now) - began)) s" ;;
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
