"""The built-in engine: a demo painter behind AUTOMATIC1111's API, for machines that have no server.

It is not a diffusion model and says so wherever it shows itself. The painter is pure (NumPy and Pillow, no
clock, no asyncio): `task` is what to paint, `words` reads the prompt, `scene` chooses the layers, and
`painter` paints them. `studio` paints one task at a time, `server` speaks the API.
"""
