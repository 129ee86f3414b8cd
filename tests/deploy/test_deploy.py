"""What is in ``deploy/``: it runs what the topology names, with settings that there are."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from kxmsg.cli.common import variable_of
from kxmsg.settings import Settings
from kxmsg.topology import TOPOLOGY

DEPLOY = Path(__file__).parents[2] / "deploy"
VARIABLES = {variable_of(name) for name in Settings.model_fields}


class Template(yaml.SafeLoader):
    """YAML with CloudFormation's functions, each as its long form."""


def _function(loader: Template, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any = None
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    return {name if name == "Ref" else f"Fn::{name}": value}


Template.add_multi_constructor("!", _function)


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((DEPLOY / "ecs.yaml").read_bytes(), Template)  # noqa: S506 - a SafeLoader of ours
    return loaded


def loop(template: dict[str, Any], name: str) -> tuple[list[str], dict[str, Any]]:
    """The values of a loop, and the properties of the first resource that it makes of each."""
    _, values, made = template["Resources"][f"Fn::ForEach::{name}"]
    return values, next(iter(made.values()))["Properties"]


def commands(template: dict[str, Any], names: list[str]) -> list[list[str]]:
    return [template["Mappings"]["Process"][name]["Command"] for name in names]


def test_there_is_a_service_for_each_process(template: dict[str, Any]) -> None:
    workers, _ = loop(template, "Workers")
    assert commands(template, workers) == [["worker", spec.name] for spec in TOPOLOGY.workers]
    fronts, _ = loop(template, "Fronts")
    assert commands(template, fronts) == [["api"], ["gateway"]]
    assert loop(template, "Tasks")[0] == [*fronts, *workers] == list(template["Mappings"]["Process"])


def test_what_has_queues_is_scaled_by_what_waits_there(template: dict[str, Any]) -> None:
    scaled, _ = loop(template, "Scaled")
    assert commands(template, scaled) == [["worker", spec.name] for spec in TOPOLOGY.workers if spec.queues]


def test_the_processes_are_those_of_the_procfile(template: dict[str, Any]) -> None:
    lines = (DEPLOY.parent / "Procfile").read_text().splitlines()
    assert commands(template, loop(template, "Tasks")[0]) == [line.split(": kxmsg ")[1].split() for line in lines]


def test_tasks_have_settings_that_there_are_and_may_write_to_tmp_alone(
    template: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (container,) = loop(template, "Tasks")[1]["ContainerDefinitions"]
    environment = {one["Name"]: one["Value"] for one in container["Environment"]}
    assert {name for name in environment if name != "AWS_REGION"} <= VARIABLES
    for name, value in {**environment, **image_environment()}.items():
        monkeypatch.setenv(name, value if isinstance(value, str) else "given")
    settings = Settings()
    assert (settings.backend, settings.prefix, settings.api_port) == ("aws", "given", settings.gateway_port)
    assert settings.stop_timeout == container["StopTimeout"], "the drain's budget is what ECS gives"
    assert settings.gateways == [f"{settings.gateway_name}=http://gateway:{settings.gateway_port}"]
    assert container["ReadonlyRootFilesystem"] is True
    assert container["MountPoints"] == [{"SourceVolume": "tmp", "ContainerPath": "/tmp"}]
    assert settings.data.is_relative_to("/tmp")
    assert int(container["User"]) > 0


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's."""
    text = re.sub(r"\\\n\s*", "", (DEPLOY / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def image_environment() -> dict[str, str]:
    pairs = [pair.partition("=") for word, rest in instructions() if word == "ENV" for pair in rest.split()]
    return {name: value for name, _, value in pairs}


def test_the_image_has_settings_that_there_are_and_a_user_of_its_own(template: dict[str, Any]) -> None:
    assert {name for name in image_environment() if not name.startswith("PYTHON")} <= VARIABLES
    (user,) = [rest for word, rest in instructions() if word == "USER"]
    (container,) = loop(template, "Tasks")[1]["ContainerDefinitions"]
    assert user == container["User"]


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    sources = [path for word, rest in instructions() if word == "COPY" for path in rest.split()[:-1]]
    kept = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    for path in sources:
        assert (DEPLOY.parent / path).exists(), path
        assert f"!{path}" in kept, path
