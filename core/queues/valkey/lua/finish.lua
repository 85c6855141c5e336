-- with: order place life
-- finish(id, fence, words, pictures, bytes, call): end a claimed job. Its pictures were stored before.
-- Answers 1, 0 if the claim is void, or -1 if the pictures have lapsed: store them again. `call` names this call:
-- made again because its answer was lost, it answers 1 again. Pictures by a server that another process has taken over
-- meanwhile are refused, and the job goes back: it interrupted there what was not done, which looks like a whole one.
local id, fence, pictures = arg(1), arg(2), tonumber(arg(4))
although_full()
seen()
if get(id, 'ended_by') == arg(6) then return 1 end
if pictures > 0 and is_held(id, fence) then
  local backend, process = get(id, 'backend', 'process')
  local owner = redis.call('HGET', P .. 'owner', backend)
  if owner and owner ~= process then give_back(id) end
end
if not is_held(id, fence) then
  local current, result = get(id, 'fence', 'pictures')
  for number = 0, pictures - 1 do
    if current ~= fence or tonumber(result or 0) == 0 then redis.call('DEL', picture(id, fence, number)) end
  end
  return 0
end
for number = 0, pictures - 1 do
  if redis.call('EXISTS', picture(id, fence, number)) == 0 then return -1 end
end
redis.call('HSET', job(id), 'ended_by', arg(6))
end_job(id, arg(3), pictures, tonumber(arg(5)))
return 1
