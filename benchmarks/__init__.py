"""The measurements that the docs quote: `python -m benchmarks KIND [--quick]`.

A kind (`http`, `websocket`, `growth`, `gpus`, `start`) measures and yields Series; its chapter, which is
pure, makes tables, goals and plots of them. What was measured is kept in `results/`, so that running one
kind renews its own chapter of docs/performance.md and no other."""
