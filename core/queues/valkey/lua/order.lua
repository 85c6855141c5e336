-- The fair order, as core/fair_order.py keeps it in memory (its docstring tells the rule and its source).

local TURN = 65536  -- as core/turns.py has it, and says why
local MOST_CALLERS = 10000  -- as core/fair_order.py has it, and says why

-- A place in a line: members of one start sort by turn, then by arrival.
local function member_of(turn, arrival, cost, id)
  return string.format('%015d%015d', turn, arrival) .. cost .. ' ' .. id
end

local function arrival_of(member) return tonumber(member:sub(16, 30)) end

local function share_of(caller)
  local words = redis.call('HGET', P .. 'share', caller)
  if not words then return nil end
  local finish, floor, turn = words:match('^(%S+) (%S+) (%S+)$')
  return {finish = tonumber(finish), floor = tonumber(floor), turn = tonumber(turn)}
end

local function set_share(caller, share)
  local words = exact(share.finish) .. ' ' .. exact(share.floor) .. ' ' .. string.format('%d', share.turn)
  redis.call('HSET', P .. 'share', caller, words)
  redis.call('ZADD', P .. 'finish', exact(share.finish), caller)
  if redis.call('EXISTS', P .. 'c:' .. caller) == 1 then
    redis.call('ZREM', P .. 'away', caller)
  else
    redis.call('ZADD', P .. 'away', exact(share.finish), caller)
  end
end

local function forget_callers()
  local virtual = state_of('V')
  if state_of('ordered') == 0 then
    local largest = redis.call('ZREVRANGE', P .. 'finish', 0, 0, 'WITHSCORES')[2]
    redis.call('HSET', S, 'V', exact(math.max(virtual, tonumber(largest or 0))))
    redis.call('DEL', P .. 'share', P .. 'finish', P .. 'away')
    return
  end
  local function forget(caller)
    redis.call('ZREM', P .. 'finish', caller)
    redis.call('ZREM', P .. 'away', caller)
    redis.call('HDEL', P .. 'share', caller)
  end
  for _, caller in ipairs(redis.call('ZRANGEBYSCORE', P .. 'finish', '-inf', exact(virtual), 'LIMIT', 0, 20)) do
    forget(caller)
  end
  local over = math.min(redis.call('ZCARD', P .. 'away') - MOST_CALLERS, 20)  -- a few at a time
  if over > 0 then
    for _, caller in ipairs(redis.call('ZRANGE', P .. 'away', 0, over - 1)) do forget(caller) end
  end
end

-- A new job gets its place.
local function order_add(id, caller, cost, kind)
  local virtual, arrival = state_of('V'), redis.call('HINCRBY', S, 'arrivals', 1)
  local share = share_of(caller)
  if not share or share.finish <= virtual then
    share = {finish = virtual, floor = virtual, turn = TURN * arrival}
  end
  local start, member = share.finish, member_of(share.turn, arrival, cost, id)
  redis.call('HSET', job(id), 'start', exact(start), 'floor', exact(math.max(virtual, share.floor)),
    'arrival', arrival, 'member', member)
  redis.call('ZADD', P .. 'l:' .. kind, exact(start), member)
  redis.call('ZADD', P .. 'c:' .. caller, arrival, id)
  redis.call('HINCRBYFLOAT', P .. 'kinds', kind, cost)
  redis.call('HINCRBY', S, 'ordered', 1)
  set_share(caller, {finish = start + tonumber(cost), floor = 0, turn = share.turn})
end

-- What kept a job that has left from moving up holds up those behind it, as if it still stood there.
-- `room` is by how much it could have moved.
local function hold_up(caller, arrival, room)
  local heir = redis.call('ZRANGEBYSCORE', P .. 'c:' .. caller, '(' .. arrival, '+inf', 'LIMIT', 0, 1)[1]
  if heir then
    local its_start, its_floor = get(heir, 'start', 'floor')
    redis.call('HSET', job(heir), 'floor', exact(math.max(tonumber(its_floor), tonumber(its_start) - room)))
    return
  end
  local share = share_of(caller)
  if share then
    share.floor = math.max(share.floor, share.finish - room)
    set_share(caller, share)
  end
end

-- A waiting job gets an earlier start; answers by how much it moved.
local function move_up(id, refund)
  local kind, member, start, floor, at, own = get(id, 'kind', 'member', 'start', 'floor', 'at', 'own')
  local moved_to = math.max(tonumber(floor), tonumber(start) - refund)
  if at and before({start = moved_to, member = own}, {start = tonumber(at), member = member}) then
    -- It stands behind another job no more, but at its own start again (see turns.lua).
    redis.call('ZREM', P .. 'l:' .. kind, member)
    redis.call('HDEL', job(id), 'at', 'own')
    redis.call('HSET', job(id), 'member', own)
    at, member = nil, own
  end
  if not at then redis.call('ZADD', P .. 'l:' .. kind, exact(moved_to), member) end
  redis.call('HSET', job(id), 'start', exact(moved_to))
  return tonumber(start) - moved_to
end

-- The cost of a job that was cancelled goes back to its caller: what he put after it moves up.
local function refund(caller, cost, arrival)
  local left = tonumber(cost)
  for _, later in ipairs(redis.call('ZRANGEBYSCORE', P .. 'c:' .. caller, '(' .. arrival, '+inf')) do
    if left <= 0 then break end
    left = move_up(later, left)
  end
  local share = share_of(caller)
  if share then
    share.finish = math.max(share.floor, share.finish - left)
    set_share(caller, share)
  end
end

-- A job that was cancelled has gone before nobody: those that were due later are so again (turns.lua).
local function unpass(id, cost, arrival)
  for other in (get(id, 'passed') or ''):gmatch('[^\n]+') do
    local state, came, due = get(other, 'state', 'arrival', 'due')
    if state == 'waiting' and tonumber(came) < tonumber(arrival) then  -- else it is its next life
      redis.call('HSET', job(other), 'due', exact(tonumber(due) + tonumber(cost)))
    end
  end
end

-- A job leaves the order: cancelled, or taken, when it was the turn of one that starts at `turn_start`.
local function order_remove(id, turn_start)
  local caller, kind, cost, member, start, floor, arrival =
    get(id, 'caller', 'kind', 'cost', 'member', 'start', 'floor', 'arrival')
  redis.call('ZREM', P .. 'l:' .. kind, member)
  redis.call('ZREM', P .. 'c:' .. caller, id)
  redis.call('HINCRBY', S, 'ordered', -1)
  if redis.call('EXISTS', P .. 'l:' .. kind) == 0 then
    redis.call('HDEL', P .. 'kinds', kind)
    redis.call('DEL', P .. 'passed:' .. kind)
  else
    redis.call('HINCRBYFLOAT', P .. 'kinds', kind, '-' .. cost)
  end
  if turn_start then
    redis.call('HSET', S, 'V', exact(math.max(state_of('V'), turn_start)))
  else
    refund(caller, cost, arrival)
    unpass(id, cost, arrival)
  end
  redis.call('HDEL', job(id), 'passed')
  hold_up(caller, arrival, tonumber(start) - tonumber(floor))
  forget_callers()
end

-- A pass over jobs of a line, as it is noted: who was preferred, and how many jobs had come until then.
local function pass_of(words)
  local start, member, arrivals = words:match('^(%S+) (.+) (%d+)$')
  return {start = tonumber(start), member = member, arrivals = tonumber(arrivals)}
end

-- Cost units for which the jobs of this head's line that stand before `preferred` were passed over, as
-- _passed_over of fair_order.py says, and the passes that can still count; nil: all that are noted.
local function passed_over(head, preferred)
  local noted, of_head, of_second, still = redis.call('LRANGE', P .. 'passed:' .. head.kind, 0, -1), 0, 0, {}
  if #noted == 0 then return 0 end
  local came, behind = arrival_of(head.member), redis.call('ZRANGE', P .. 'l:' .. head.kind, 1, 1, 'WITHSCORES')
  local second = behind[1] and {member = behind[1], start = tonumber(behind[2])}
  for _, words in ipairs(noted) do
    local pass = pass_of(words)
    local over_head = pass.arrivals >= came and before(head, pass)
    local over_second = second and before(second, pass)
    if over_head or over_second then
      local cost = cost_of(pass.member)
      if over_head then of_head = of_head + cost end
      if over_second then of_second = of_second + cost end
      still[#still + 1] = words
    end
  end
  if not second or before(preferred, second) then of_second = 0 end
  return math.max(of_head, of_second), #still < #noted and still or nil
end

-- Whether the head of a line whose model is loaded may go before all earlier heads; if so, that is noted.
local function may_pass(heads, liked, slack)
  local cost, passed = cost_of(liked.member), {}
  local function caller(head) return get(id_of(head.member), 'caller') end
  for _, head in ipairs(heads) do
    if before(head, liked) then
      if liked.start - head.start > slack and caller(head) ~= caller(liked) then return false end
      passed[#passed + 1] = head
    end
  end
  for _, head in ipairs(passed) do
    local most
    most, head.still = passed_over(head, liked)
    if most + cost > slack then return false end
  end
  local pass = string.format('%s %s %d', exact(liked.start), liked.member, state_of('arrivals'))
  for _, head in ipairs(passed) do
    local key = P .. 'passed:' .. head.kind
    if head.still then
      redis.call('DEL', key)
      for _, words in ipairs(head.still) do redis.call('RPUSH', key, words) end
    end
    redis.call('RPUSH', key, pass)
  end
  return true
end

-- The next job in the order for a backend, by the heads of the lines that it accepts, and it leaves; nil: none.
local function order_take(backend, slack)
  local loaded = redis.call('HGET', P .. 'o:' .. backend, 'loaded')
  local heads, first, liked = {}, nil, nil
  for _, kind in ipairs(redis.call('HKEYS', P .. 'kinds')) do
    if accepts(backend, kind) then
      local member, start = unpack(redis.call('ZRANGE', P .. 'l:' .. kind, 0, 0, 'WITHSCORES'))
      local head = {kind = kind, member = member, start = tonumber(start)}
      heads[#heads + 1] = head
      if not first or before(head, first) then first = head end
      local model = kind:match('^(.-)\n')
      if (model == '' or model == loaded) and (not liked or before(head, liked)) then liked = head end
    end
  end
  if not first then return nil end
  local jumps = liked and liked ~= first and may_pass(heads, liked, slack)
  local id = id_of((jumps and liked or first).member)
  order_remove(id, first.start)
  return id
end
