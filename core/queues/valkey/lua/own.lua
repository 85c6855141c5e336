-- own(worker, giving, backend...): a worker lives, and wants these backends; of the first `giving` of them it is
-- already letting go. It keeps those that it owns; free ones are dealt one by one to who has the fewest of all
-- that want it, and it takes what falls to itself: so all are owned again after one turn of each. It is told to
-- let go of those that one with at least two fewer wants, in the order in which they are named: so all end even
-- to within one, also where they want different ones. A worker that is about to stop wants only what it still has.
-- Answers {backends owned, those to let go of, milliseconds until one of the others may be free}. Safe to repeat.
local LEFT = 400  -- milliseconds for which what a dead worker had is left for another one: all ask as its lease ends
local MISSED = math.min(1700, LEASE / 2)
local worker, giving = arg(1), tonumber(arg(2))
although_full()
seen()
redis.call('ZADD', P .. 'workers', NOW + LEASE, worker)
local wanted = {}
for number = 3, ARGS do wanted[#wanted + 1] = arg(number) end
redis.call('DEL', P .. 'wants:' .. worker)
for number = 1 + giving, #wanted do redis.call('SADD', P .. 'wants:' .. worker, wanted[number]) end
redis.call('PEXPIRE', P .. 'wants:' .. worker, 60000 + LEASE)

redis.call('ZREMRANGEBYSCORE', P .. 'workers', '-inf', NOW)
local ended = redis.call('ZRANGEBYSCORE', P .. 'own', '-inf', NOW)
for _, lapsed in ipairs(ended) do
  redis.call('ZREM', P .. 'own', lapsed)
  redis.call('HDEL', P .. 'owner', lapsed)
  redis.call('HSET', P .. 'lapsed', lapsed, NOW)
end
local left = #ended > 0 and redis.call('HGETALL', P .. 'lapsed') or {}
for number = 1, #left, 2 do  -- what nobody has asked for by now has gone for good
  if NOW - left[number + 1] > LEASE + 60000 then redis.call('HDEL', P .. 'lapsed', left[number]) end
end
local has, heard = {}, {}
for _, other in ipairs(redis.call('ZRANGE', P .. 'workers', 0, -1)) do has[other] = 0 end
-- One that has missed its last turn may be dead: nothing is left for it. It gets its share if it comes back.
local since = '(' .. NOW + LEASE - MISSED
for _, other in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers', since, '+inf')) do heard[other] = true end
local owners = redis.call('HGETALL', P .. 'owner')
for number = 1, #owners, 2 do
  local owner = owners[number + 1]
  has[owner] = (has[owner] or 0) + 1
end
has[worker] = has[worker] - giving

-- Of the other workers that live and want this backend: the fewest that one of them has, and which one;
-- nil without any.
local function fewest(backend)
  local least, who
  for other, number in pairs(has) do
    if other ~= worker and heard[other] and redis.call('SISMEMBER', P .. 'wants:' .. other, backend) == 1
      and (not least or number < least) then
      least, who = number, other
    end
  end
  return least, who
end

local owned, given, soonest = {}, {}, NOW + LEASE
for number, backend in ipairs(wanted) do
  local owner = redis.call('HGET', P .. 'owner', backend)
  if not owner and number > giving then
    local least, who = fewest(backend)
    local free_since = tonumber(redis.call('HGET', P .. 'lapsed', backend) or NOW)
    if least and least < has[worker] and NOW - free_since >= LEFT then
      if tonumber(redis.call('ZSCORE', P .. 'workers', who)) - LEASE < free_since then
        -- It has not asked since then, so it may have died as well: it counts again when it does.
        heard[who] = nil
        redis.call('ZADD', P .. 'workers', NOW + LEASE - MISSED, who)
        least, who = fewest(backend)
      end
      free_since = NOW
      redis.call('HSET', P .. 'lapsed', backend, NOW)
    end
    if least and least < has[worker] then
      has[who] = least + 1
      soonest = math.min(soonest, free_since + LEFT)
    else
      redis.call('HSET', P .. 'owner', backend, worker)
      redis.call('HDEL', P .. 'lapsed', backend)
      has[worker] = has[worker] + 1
      owner = worker
    end
  end
  if owner == worker then
    redis.call('ZADD', P .. 'own', NOW + LEASE, backend)
    owned[#owned + 1] = backend
  elseif owner then
    soonest = math.min(soonest, tonumber(redis.call('ZSCORE', P .. 'own', backend)))
  end
end
for _, backend in ipairs(giving == 0 and owned or {}) do
  local least, who = fewest(backend)
  if least and has[worker] - least >= 2 then
    given[#given + 1] = backend
    has[worker], has[who] = has[worker] - 1, least + 1
  end
end
return {owned, given, soonest - NOW}
