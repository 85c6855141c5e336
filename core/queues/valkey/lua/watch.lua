-- with: place
-- watch(id, process, flags, own, number): from now on this process hears of the job, unless what it said later (by the
-- number) was heard before; flags: 1 + 2 (progress) + 4 (previews).
-- `own` 1: it has just put the job, so it gets a result that is not kept as well, or pictures that were not for long.
-- Answers the job as it is now (place.lua, `shown`), `none` or `expired`, and what runs. Safe to repeat.
local id, process = arg(1), arg(2)
local state, keep, put_at, pictures = get(id, 'state', 'keep', 'put_at', 'pictures')
local own = arg(4) == '1' and NOW - tonumber(put_at or 0) < BRIEF
if not state or (state == 'ended' and keep == '0' and not own) then return {{'none'}, running()} end
if state == 'expired' and not (own and tonumber(pictures) > 0) then return {{'expired'}, running()} end
if lives(state) and is_last_word(id, process, arg(5)) then
  note_watched(id, process, arg(3))
  if state == 'running' and tonumber(arg(3)) >= 2 then
    redis.call('HSET', job(id), 'looked', NOW, 'looked_for', arg(3))
  end
  wish_changed(id)
end
local now = shown(id)
-- Of these there may be megabytes: only who wants to see them is sent one, and no look at all jobs brings any.
if now[1] == 'running' and bit.band(tonumber(arg(3)), 4) > 0 then now[3] = get(id, 'preview') or now[3] end
return {now, running()}
