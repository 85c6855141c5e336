-- with: order place life
-- finish(id, fence, words, pictures, bytes, call): end a claimed job. Its pictures were stored before.
-- Answers 1, or 0 if the claim is void. `call` names this call: made again because its answer was lost, it
-- answers 1 again.
local id, fence = arg(1), arg(2)
seen()
if get(id, 'ended_by') == arg(6) then return 1 end
if not is_held(id, fence) then return 0 end
redis.call('HSET', job(id), 'ended_by', arg(6))
end_job(id, arg(3), tonumber(arg(4)), tonumber(arg(5)))
return 1
