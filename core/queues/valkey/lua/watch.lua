-- with: place
-- watch(id, process, flags): from now on this process hears of the job; flags: 1 + 2 (progress) + 4 (previews).
-- Answers the job as it is now (place.lua, `shown`), `none` or `expired`, and what runs. Safe to repeat.
local id, process = arg(1), arg(2)
local state, keep = get(id, 'state', 'keep')
if not state or (state == 'ended' and keep == '0') then return {{'none'}, {}} end
if state == 'expired' then return {{'expired'}, {}} end
if state ~= 'ended' then
  redis.call('HSET', P .. 'w:' .. id, process, arg(3))
  redis.call('SADD', P .. 'pw:' .. process, id)
  redis.call('ZREM', P .. 'unwatched', id)
  wish_changed(id)
end
return {shown(id), running()}
