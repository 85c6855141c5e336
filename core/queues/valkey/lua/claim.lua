-- with: order place life
-- claim(backend, process, token, slack): the next job for a backend, whose worker lives in this process.
-- Answers {id, fence, failures, request, wish}, or {} and notes that the backend is idle. `token` names this
-- call: made again because its answer was lost, it gets the same job, for a whole lease; where that claim is void
-- by now, or the call was withdrawn (unclaim), it gets none.
local backend, process, token = arg(1), arg(2), arg(3)
seen()

local function answer(id)
  local fence, failures, request = get(id, 'fence', 'failures', 'request')
  return {id, fence, failures, request, wish(id)}
end

local function others_can(kind)
  for _, other in ipairs(takers()) do
    if other ~= backend and accepts(other, kind) then return true end
  end
  return false
end

-- The first of a kind that came back; not where it failed for a while, if another backend can do it.
local function returned_of(kind)
  local words = redis.call('ZRANGE', P .. 'b:' .. kind, 0, -1, 'WITHSCORES')
  for number = 1, #words, 2 do
    local avoid, avoid_until = get(words[number], 'avoid', 'avoid_until')
    if avoid ~= backend or NOW >= tonumber(avoid_until) or not others_can(kind) then
      return words[number], tonumber(words[number + 1])
    end
  end
end

-- First those that came back; only the kinds that this backend accepts are looked through.
local function next_job()
  local first, its_kind, its_return
  for _, kind in ipairs(redis.call('SMEMBERS', P .. 'returned')) do
    if accepts(backend, kind) then
      local id, came = returned_of(kind)
      if id and (not first or came < its_return) then first, its_kind, its_return = id, kind, came end
    end
  end
  if first then
    leave_returned(first, its_kind)
    return first
  end
  return order_take(backend, tonumber(arg(4)))
end

local had = redis.call('HGET', P .. 'tokens', token)
if had then
  redis.call('ZADD', P .. 'run', NOW + LEASE, had)
  return answer(had)
end
if redis.call('EXISTS', P .. 'withdrawn:' .. token) == 1 then return {} end
local owner = redis.call('HGET', P .. 'owner', backend)
if owner and owner ~= process then return {} end
local woken_for = redis.call('HGET', P .. 'woken', backend)
redis.call('HDEL', P .. 'woken', backend)
local able = offers_now(backend) and redis.call('HGET', P .. 'o:' .. backend, 'usable') == '1'
local id = able and next_job()
if not id then
  redis.call('HSET', P .. 'idle', backend, process)
  return {}
end
redis.call('HDEL', P .. 'idle', backend)
local caller, cost, kind = get(id, 'caller', 'cost', 'kind')
-- By the clock: a fence is never given twice, also where Valkey lost what it had not written when it was killed.
local fence, version = string.format('%d', math.max(state_of('claims') + 1, NOW)), changed()
redis.call('HSET', S, 'claims', fence)
local attempts = redis.call('HINCRBY', job(id), 'attempts', 1)
local last = 'S' .. attempts .. '\n' .. backend
redis.call('HSET', job(id), 'state', 'running', 'version', version, 'fence', fence, 'token', token,
  'process', process, 'backend', backend, 'last', last)
count_waiting(caller, -1)
count('runs', caller, 1)
redis.call('ZADD', P .. 'run', NOW + LEASE, id)
redis.call('HSET', P .. 'on', id, backend .. ' ' .. NOW .. ' ' .. cost)
redis.call('HSET', P .. 'tokens', token, id)
redis.call('ZREM', P .. 'unwatched', id)
tell(id, version, 'S', last)
-- It took another job that came meanwhile: what it was woken for may be for somebody else.
if woken_for and woken_for ~= kind then wake(woken_for) end
return answer(id)
