"""An ImageRequest to the JSON of txt2img. Pure."""

from typing import Any

from core.request import ImageRequest


def txt2img_body(task: str, request: ImageRequest, seed: int) -> dict[str, Any]:
    """What is sent; a field of ours wins over one of `request.extra`."""
    body = {
        **request.extra,
        "force_task_id": task,
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "steps": request.steps,
        "width": request.width,
        "height": request.height,
        "cfg_scale": request.cfg_scale,
        "seed": seed,
        "batch_size": request.batch_size,
        "n_iter": 1,
        "send_images": True,
        "save_images": False,
    }
    if request.sampler_name:
        body["sampler_name"] = request.sampler_name
    if request.model:
        settings = {**(request.extra.get("override_settings") or {}), "sd_model_checkpoint": request.model}
        # Not switched back behind each picture: loading takes longer than painting
        body |= {"override_settings": settings, "override_settings_restore_afterwards": False}
    return body
