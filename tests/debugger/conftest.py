import pytest

import minisparse as ms
from minisparse.runtime import Executable
from tests.networks import feeds_for, perceptron


@pytest.fixture(scope="session")
def graph() -> ms.Graph:
    return perceptron("random")


@pytest.fixture(scope="session")
def plan(graph: ms.Graph) -> Executable:
    # at level loops a step costs what an entry costs, so that weights are stored sparse
    return ms.compile(graph, sizes={"batch": 3}, level="loops")


@pytest.fixture
def session(plan: Executable) -> ms.debugger.Session:
    return ms.debug(plan, feeds_for(plan.graph))
