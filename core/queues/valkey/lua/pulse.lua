-- with: order place life
-- pulse(process, milliseconds, max_deliveries, vanished, unwanted, picture, id, fence, ...): once a second from each
-- process. It lives for so many milliseconds more, and holds these claims; what they have stored of their pictures
-- stays for `picture` milliseconds more. Whoever comes first sees to what time brings: leases and offers that lapse,
-- results, dead processes, jobs that nobody wants (they end as the words `vanished` and `unwanted` say). Answers
-- {version, clock, was known, offers, what runs, waiting, when the next lease ends (-1: nothing runs), whether it
-- hears what is told to it}. Safe to repeat.
local process, MOST = arg(1), 200
although_full()
seen()
-- Taken for dead also by one that has not yet let go of all that it watched.
local dead_at = redis.call('ZSCORE', P .. 'processes', process)
local known = dead_at and tonumber(dead_at) > NOW
redis.call('ZADD', P .. 'processes', NOW + tonumber(arg(2)), process)
for number = 7, ARGS, 2 do
  local id, fence, stored = arg(number), arg(number + 1), 0
  if is_held(id, fence) then
    redis.call('ZADD', P .. 'run', NOW + LEASE, id)
    while redis.call('PEXPIRE', picture(id, fence, stored), arg(6)) == 1 do stored = stored + 1 end
  end
end

local function due(key, most)
  return redis.call('ZRANGEBYSCORE', P .. key, '-inf', NOW, 'LIMIT', 0, most or MOST)
end

for _, id in ipairs(due('run')) do
  if redis.call('HINCRBY', job(id), 'deliveries', 1) >= tonumber(arg(3)) then
    end_job(id, arg(4))
  else
    give_back(id)
  end
end
for _, dead in ipairs(due('processes')) do
  local watched = redis.call('SPOP', P .. 'pw:' .. dead, MOST)
  for _, id in ipairs(watched) do
    redis.call('HDEL', P .. 'w:' .. id, dead)
    wish_changed(id)
    note_unwatched(id)
  end
  if #watched < MOST then redis.call('ZREM', P .. 'processes', dead) end
end
-- The newest first: a job that leaves the order moves its caller's later ones up, one by one.
local unwatched = redis.call('ZREVRANGEBYSCORE', P .. 'unwatched', NOW - RESULT_TTL, '-inf', 'LIMIT', 0, MOST)
for _, id in ipairs(unwatched) do end_job(id, arg(5)) end
for _, id in ipairs(due('kept')) do expire(id) end
for _, key in ipairs({'brief', 'gone'}) do
  for _, id in ipairs(due(key, 10 * MOST)) do  -- a few microseconds each; as many may come in a second
    redis.call('ZREM', P .. key, id)
    let_pictures_lapse(id, 0)
    redis.call('DEL', job(id))
  end
end
for _, backend in ipairs(due('offers')) do
  redis.call('ZREM', P .. 'offers', backend)
  redis.call('DEL', P .. 'o:' .. backend, P .. 'om:' .. backend, P .. 'os:' .. backend)
  redis.call('HDEL', P .. 'idle', backend)
  changed()
end
local next_end = redis.call('ZRANGE', P .. 'run', 0, 0, 'WITHSCORES')[2]
return {state_of('version'), NOW, known and 1 or 0, all_offers(), running(), state_of('waiting'),
  math.floor(tonumber(next_end or -1)), redis.call('PUBSUB', 'NUMSUB', P .. 'p:' .. process)[2]}
