"""What PyTorch itself does on the device, for bench/gpu.py: one line of JSON per result.

    gpu_torch_side.py info DEVICE
    gpu_torch_side.py toolkit DEVICE ITERATIONS [BATCH]     the Python toolkit's iteration of the face network
    gpu_torch_side.py peak DEVICE                           large matrix products, large copies

The toolkit's iteration, as docs/semantics.md describes it and as its calls were counted: parameters live in NumPy, and
every pass begins by copying the batch to the device. (1) The parameters are copied into the network. (2) Loss and
bounds: a pass over the batch, then one over the men's and one over the women's rows; predictions go back to NumPy.
(3) The loss's gradient: a pass over the batch and a backward pass; the gradient goes to NumPy. (4) The bounds'
gradient: the parameters once more, a pass for each group, and a backward pass for each. (5) Adam in NumPy. Four passes
forward and two backward over as many rows as the batch has. Precision is PyTorch's default (TF32 in cuDNN).
"""

import json
import sys
import time

import numpy as np
import torch

ROWS = 2370


class FaceNetwork(torch.nn.Module):
    """The published network with its softmax: the probability of class 1."""

    def __init__(self):
        super().__init__()
        stages, channels = [], 1
        for number, width in enumerate((16, 32, 64, 128)):
            stages += [torch.nn.Conv2d(channels, width, 3, padding=1 if number == 0 else 0), torch.nn.ReLU(),
                       torch.nn.MaxPool2d(2), torch.nn.BatchNorm2d(width)]
            channels = width
        self.pictures = torch.nn.Sequential(*stages)
        self.decision = torch.nn.Sequential(torch.nn.Linear(128, 128), torch.nn.Linear(128, 256), torch.nn.Linear(256, 2))

    def forward(self, x):
        return torch.softmax(self.decision(self.pictures(x).flatten(1)), dim=1)[:, 1]


class ToolkitSide:
    def __init__(self, device):
        torch.manual_seed(0)
        draw = np.random.default_rng(0)
        self.device = device
        self.pictures = draw.random((ROWS, 1, 48, 48), dtype=np.float32)
        self.gender = draw.integers(0, 2, ROWS)
        self.network = FaceNetwork().to(device)
        self.parameters = list(self.network.parameters())
        self.theta = np.concatenate([p.detach().cpu().numpy().ravel() for p in self.parameters])
        self.velocity, self.square = 0.0, 0.0
        self.multiplier = 0.5

    def set_parameters(self):
        start = 0
        with torch.no_grad():
            for p in self.parameters:
                p.copy_(torch.from_numpy(self.theta[start:start + p.numel()]).view(p.shape))
                start += p.numel()

    def predict(self, rows):
        predictions = self.network(torch.tensor(rows).float().to(self.device))
        return predictions, predictions.detach().cpu().numpy()

    def gradient(self, predictions, direction):
        for p in self.parameters:
            if p.grad is not None:
                p.grad.zero_()
        predictions.backward(gradient=torch.from_numpy(direction).float().to(self.device))
        return np.concatenate([p.grad.cpu().numpy().ravel() for p in self.parameters])

    def iterate(self, number, batch):
        first = number * batch % (ROWS - batch + 1)
        rows, gender = self.pictures[first:first + batch], self.gender[first:first + batch]
        groups = [rows[gender == 0], rows[gender == 1]]
        self.set_parameters()
        self.predict(rows)
        means = [self.predict(group)[1].mean() for group in groups]
        predictions, p = self.predict(rows)
        p = np.clip(p, 1e-7, 1 - 1e-7)
        total = self.gradient(predictions, (p - gender) / (p * (1 - p)) / batch)
        self.set_parameters()
        passes = [self.predict(group) for group in groups]
        for (predictions, p), sign in zip(passes, (1.0, -1.0)):
            total = total + self.multiplier * self.gradient(predictions, np.full(len(p), sign / len(p)))
        self.velocity = 0.9 * self.velocity + 0.1 * total
        self.square = 0.95 * self.square + 0.05 * total ** 2
        step = self.velocity / (1 - 0.9 ** (number + 1)) / (np.sqrt(self.square / (1 - 0.95 ** (number + 1))) + 1e-6)
        self.theta = (self.theta - 0.001 * step).astype(np.float32)
        self.multiplier = max(0.0, self.multiplier + 0.001 * (means[0] - means[1]))


def synchronise(device):
    if device != "cpu":
        torch.cuda.synchronize()


def timed(device, work):
    synchronise(device)
    start = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - start


def toolkit(device, iterations, batch=237):
    side = ToolkitSide(device)
    seconds = [timed(device, lambda: side.iterate(k, batch)) for k in range(iterations + 5)][5:]
    say(seconds_per_iteration=sorted(seconds)[len(seconds) // 2], iterations=iterations, batch=batch)


def best(device, work, repeats):
    work()
    return min(timed(device, work) for _ in range(repeats))


def peak(device):
    """The most that this device gives: products of square matrices, and copies (read and written)."""
    size = 8192 if device != "cpu" else 1024
    a, b = (torch.rand(size, size, device=device) for _ in range(2))
    for name, tf32 in (("float32", False), ("tf32", True)):
        if tf32 and device == "cpu":
            continue
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        out = torch.empty(size, size, device=device)
        say(peak=name, flops=2 * size ** 3 / best(device, lambda: torch.mm(a, b, out=out), 10))
    count = 2 ** 30 // 4 if device != "cpu" else 2 ** 26 // 4
    source = torch.zeros(count, device=device)
    target = torch.empty_like(source)
    say(peak="bandwidth", bytes_per_second=8 * count / best(device, lambda: target.copy_(source), 10))


def info(device):
    facts = {"torch": torch.__version__, "cuda": torch.version.cuda, "device": "CPU"}
    if device != "cpu":
        properties = torch.cuda.get_device_properties(torch.device(device))
        facts.update(device=properties.name, bytes=properties.total_memory, processors=properties.multi_processor_count,
                     cudnn=torch.backends.cudnn.version())
    say(**facts)


def say(**facts):
    print(json.dumps(facts), flush=True)


def main():
    torch.set_num_threads(1)
    what, device, *numbers = sys.argv[1:]
    {"info": info, "toolkit": toolkit, "peak": peak}[what](device, *map(int, numbers))


if __name__ == "__main__":
    main()
