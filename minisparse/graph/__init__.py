"""The graph that models are written in: immutable, single static assignment, typed throughout."""

from minisparse.graph.builder import GraphBuilder
from minisparse.graph.feeds import check_feeds
from minisparse.graph.file import load
from minisparse.graph.graph import Constant, Graph
from minisparse.graph.verify import verify
from minisparse.ops.node import Node

__all__ = ["Constant", "Graph", "GraphBuilder", "Node", "check_feeds", "load", "verify"]
