#!/usr/bin/env python3
"""Cleave beside PyTorch on the same work, in pairs, as a Markdown table.

  benches/peer.py PEER.py [--python python3] [--cleave target/release/cleave] [--threads 2] [--rounds 3] [--only TEXT]

PEER.py runs the same networks, losses and optimiser in PyTorch and takes the arguments of `cleave bench`: step or
infer, --model, --batch, --steps, --warmup, --threads, --plain; its last line is a JSON object with img_per_s. Each
round runs ours, then the peer; figures are medians over the rounds, memory is the largest resident set of a process.
Nothing else should run meanwhile.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

STEP, FAST = ["--batch", "128", "--steps", "7", "--warmup", "2"], ["--batch", "128", "--steps", "15", "--warmup", "3"]
ONE = ["--batch", "1", "--steps", "200", "--warmup", "20"]
# Name, arguments of both, arguments of ours alone.
ROWS = [
    ("VGG16 modular, step, dense masks", ["step", "--model", "vgg16", *STEP], []),
    ("VGG16 modular, step, density 0.3", ["step", "--model", "vgg16", *STEP], ["--density", "0.3"]),
    ("ResNet18 modular, step", ["step", "--model", "resnet18", *STEP], []),
    ("ResNet18 modular, step, density 0.3", ["step", "--model", "resnet18", *STEP], ["--density", "0.3"]),
    ("small modular, step", ["step", "--model", "small", *FAST], []),
    ("small modular, step, density 0.3", ["step", "--model", "small", *FAST], ["--density", "0.3"]),
    ("VGG16 plain, step", ["step", "--model", "vgg16", "--plain", *STEP], []),
    ("VGG16 modular, inference, batch 128", ["infer", "--model", "vgg16", *FAST], []),
    ("VGG16 modular, inference, batch 128, density 0.3", ["infer", "--model", "vgg16", *FAST], ["--density", "0.3"]),
    ("VGG16 modular, inference, batch 1", ["infer", "--model", "vgg16", *ONE], []),
    ("ResNet18 modular, inference, batch 128", ["infer", "--model", "resnet18", *FAST], []),
    ("small modular, inference, batch 128", ["infer", "--model", "small", *FAST], []),
]


WORST = 0.0


def busy():
    """Seconds that all cores have worked since the machine started; 0 where nothing tells."""
    try:
        with open("/proc/stat") as stat:
            user, nice, system, _, _, irq, softirq, *_ = map(int, stat.readline().split()[1:])
    except OSError:
        return 0.0
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def measure(command):
    """Images a second, MiB of the process, and its last line. Notes what other processes did meanwhile."""
    global WORST
    with tempfile.TemporaryFile("w+") as out:
        before, begun = busy(), time.monotonic()
        process = subprocess.Popen(command, stdout=out, text=True)
        _, status, usage = os.wait4(process.pid, 0)
        others = busy() - before - usage.ru_utime - usage.ru_stime
        WORST = max(WORST, others / (time.monotonic() - begun))
        if status != 0:
            raise SystemExit(f"{' '.join(command)} failed")
        out.seek(0)
        found = json.loads(out.read().strip().splitlines()[-1])
    return found["img_per_s"], usage.ru_maxrss / 1024, found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer")
    parser.add_argument("--python", default="python3")
    parser.add_argument("--cleave", default="target/release/cleave")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    a = parser.parse_args()
    threads = ["--threads", a.threads]
    ours = [a.cleave, "bench"]
    print("| work | Cleave, images/s | PyTorch, images/s | ratio | memory, MiB: Cleave, PyTorch |\n|---|---|---|---|---|")
    for name, both, alone in ROWS:
        if a.only not in name:
            continue
        rounds = [
            (
                measure([*ours, *both, *alone, *threads, "--device", "cpu", "--json"]),
                measure([a.python, a.peer, *both, *threads]),
            )
            for _ in range(a.rounds)
        ]
        speed = [statistics.median(pair[side][0] for pair in rounds) for side in (0, 1)]
        memory = [statistics.median(pair[side][1] for pair in rounds) for side in (0, 1)]
        print(f"| {name} | {speed[0]:.1f} | {speed[1]:.1f} | {speed[0] / speed[1]:.2f} | {memory[0]:.0f}, {memory[1]:.0f} |", flush=True)
    if a.only in "module of 2 classes":
        modules(ours, threads, a.rounds)
    print(f"\nOther processes used at most {WORST:.2f} of a core during a measurement.")


def modules(ours, threads, rounds):
    """The module of two classes against the whole network, with the ratio of their multiply-accumulates."""
    print("\n| module of 2 classes | whole, images/s | module, images/s | ratio | ratio of MACs | part of it |\n|---|---|---|---|---|---|")
    for model in ("vgg16", "resnet18", "small"):
        for what in (FAST, ONE):
            command = [*ours, "infer", "--model", model, *what, *threads, "--device", "cpu", "--json"]
            pairs = [(measure(command), measure([*command, "--module-classes", "2"])) for _ in range(rounds)]
            whole, module = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
            macs = pairs[0][0][2]["macs"] / pairs[0][1][2]["macs"]
            name = f"{model}, batch {what[1]}"
            print(f"| {name} | {whole:.0f} | {module:.0f} | {module / whole:.2f} | {macs:.2f} | {module / whole / macs:.2f} |", flush=True)


if __name__ == "__main__":
    main()
