"""Strongly connected components of a small directed graph (Tarjan), without recursion. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

__all__ = ["strong_components"]


def strong_components(graph: Mapping[int, Collection[int]]) -> list[list[int]]:
    """The components of ``graph`` (node → successors), each before those that it leads to."""
    order: dict[int, int] = {}
    lowest: dict[int, int] = {}
    stack: list[int] = []
    open_nodes: set[int] = set()
    found: list[list[int]] = []
    for start in graph:
        if start in order:
            continue
        work = [(start, iter(graph[start]))]
        order[start] = lowest[start] = len(order)
        stack.append(start)
        open_nodes.add(start)
        while work:
            node, successors = work[-1]
            for successor in successors:
                if successor not in order:
                    order[successor] = lowest[successor] = len(order)
                    stack.append(successor)
                    open_nodes.add(successor)
                    work.append((successor, iter(graph[successor])))
                    break
                if successor in open_nodes:
                    lowest[node] = min(lowest[node], order[successor])
            else:
                work.pop()
                if work:
                    lowest[work[-1][0]] = min(lowest[work[-1][0]], lowest[node])
                if lowest[node] == order[node]:
                    component = []
                    while True:
                        member = stack.pop()
                        open_nodes.discard(member)
                        component.append(member)
                        if member == node:
                            break
                    found.append(component)
    return found[::-1]
