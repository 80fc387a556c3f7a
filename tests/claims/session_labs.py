"""Labs over real sessions: one that trains each configuration once, and ones that break what comes back."""

from __future__ import annotations

from dataclasses import replace

from workbench.claims.sessions import SessionLab
from workbench.config.toml import override, parse_config, parse_toml, to_toml
from workbench.data.load import load_dataset


class Remembering(SessionLab):
    """Trains a configuration once; asked again, it hands back the same run."""

    def __init__(self, runs_dir):
        super().__init__(runs_dir)
        self.runs = {}

    def train(self, config):
        key = to_toml(config)
        if key not in self.runs:
            self.runs[key] = super().train(config)
        return self.runs[key]


class OtherLabels:
    """Trains on `labels(y)` where the claim believes y."""

    def __init__(self, lab, labels):
        self.lab, self.labels = lab, labels

    def train(self, config):
        values = parse_toml(to_toml(config), "config")
        data = load_dataset(config.data)
        values["data"] = {
            "kind": "inline",
            "x": data.x.tolist(),
            "y": self.labels(data.y).tolist(),
        }
        return self.lab.train(parse_config(values, "broken"))


class Bent:
    """Bends the weights of every record."""

    def __init__(self, lab, bend):
        self.lab, self.bend = lab, bend

    def train(self, config):
        run = self.lab.train(config)
        return replace(run, theta=self.bend(run.theta))


class Short:
    """Stops after a share of the steps."""

    def __init__(self, lab, share):
        self.lab, self.share = lab, share

    def train(self, config):
        run = self.lab.train(config)
        return run.until(max(2, int(self.share * len(run.step))))


class Altered:
    """Trains with other settings than the claim believes."""

    def __init__(self, lab, *settings):
        self.lab, self.settings = lab, settings

    def train(self, config):
        values = parse_toml(to_toml(config), "config")
        return self.lab.train(parse_config(override(values, self.settings), "altered"))
