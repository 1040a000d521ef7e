"""Truncated signatures and log-signatures of paths: the mathematics, and nothing of campaigns.

    basis       which numbers a signature has, and in which order
    door        arrays as they come in: checks, ragged lengths, time channel, basepoint
    horner      signatures of a chunk of paths in torch, step by step
    logarithm   signature → log-signature
    transform   `qdx.signature`: the door, and the choice of a backend
    stream      signatures of paths that are still growing
    threads     torch on one thread, for workers
    reference   esig, in a process of its own; guarded_esig is what runs there

Importing this package imports none of them, so it pulls in neither torch nor esig.
"""
