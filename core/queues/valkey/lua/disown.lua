-- disown(worker, backend...): a worker lets go of these backends, of all without any; then it counts no more.
-- Safe to repeat.
local worker, given = arg(1), {}
for number = 2, ARGS do given[#given + 1] = arg(number) end
if #given == 0 then
  redis.call('ZREM', P .. 'workers', worker)
  given = redis.call('HKEYS', P .. 'owner')
end
for _, backend in ipairs(given) do
  if redis.call('HGET', P .. 'owner', backend) == worker then
    redis.call('HDEL', P .. 'owner', backend)
    redis.call('ZREM', P .. 'own', backend)
  end
end
