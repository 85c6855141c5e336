-- own(worker, giving, backend...): a worker lives, and wants these backends; of the first `giving` of them it is
-- already letting go. It keeps those that it owns, takes free ones while no other worker that wants them has
-- fewer, and is asked to let go of some where another one has at least two fewer: so all end even to within one.
-- Answers {backends owned, how many to let go of}. Safe to repeat.
local worker, giving = arg(1), tonumber(arg(2))
seen()
redis.call('ZADD', P .. 'workers', NOW + LEASE, worker)
local wanted = {}
for number = 3, #ARGV - 4 do wanted[#wanted + 1] = arg(number) end
redis.call('DEL', P .. 'wants:' .. worker)
for number = 1 + giving, #wanted do redis.call('SADD', P .. 'wants:' .. worker, wanted[number]) end
redis.call('PEXPIRE', P .. 'wants:' .. worker, 60000 + LEASE)

for _, dead in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers', '-inf', NOW)) do
  redis.call('ZREM', P .. 'workers', dead)
end
for _, lapsed in ipairs(redis.call('ZRANGEBYSCORE', P .. 'own', '-inf', NOW)) do
  redis.call('ZREM', P .. 'own', lapsed)
  redis.call('HDEL', P .. 'owner', lapsed)
end
local has = {}
for _, other in ipairs(redis.call('ZRANGE', P .. 'workers', 0, -1)) do has[other] = 0 end
local owners = redis.call('HGETALL', P .. 'owner')
for number = 1, #owners, 2 do
  local owner = owners[number + 1]
  has[owner] = (has[owner] or 0) + 1
end
has[worker] = has[worker] - giving

-- The fewest that another worker has that wants this backend; nil where there is none.
local function fewest(backend)
  local least
  for other, number in pairs(has) do
    if other ~= worker and redis.call('SISMEMBER', P .. 'wants:' .. other, backend) == 1 then
      least = math.min(least or number, number)
    end
  end
  return least
end

local owned, surplus = {}, 0
for number, backend in ipairs(wanted) do
  local owner = redis.call('HGET', P .. 'owner', backend)
  local least = fewest(backend)
  if not owner and number > giving and (not least or least >= has[worker]) then
    redis.call('HSET', P .. 'owner', backend, worker)
    has[worker] = has[worker] + 1
    owner = worker
  end
  if owner == worker then
    redis.call('ZADD', P .. 'own', NOW + LEASE, backend)
    owned[#owned + 1] = backend
    if giving == 0 and least and has[worker] - least >= 2 then
      surplus = math.max(surplus, math.floor((has[worker] - least) / 2))
    end
  end
end
return {owned, surplus}
