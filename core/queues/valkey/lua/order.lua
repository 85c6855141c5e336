-- The fair order, as core/fair_order.py keeps it in memory (its docstring tells the rule and its source).

-- A place in a line: members of one start sort by turn, then by arrival.
local function member_of(turn, arrival, cost, id)
  return string.format('%015d%015d', turn, arrival) .. cost .. ' ' .. id
end

local function cost_of(member) return tonumber(member:match('^(%S+) ', 31)) end
local function id_of(member) return member:match('^%S+ (.*)$', 31) end

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
end

local function forget_callers()
  local virtual = state_of('V')
  if state_of('ordered') == 0 then
    local largest = redis.call('ZREVRANGE', P .. 'finish', 0, 0, 'WITHSCORES')[2]
    redis.call('HSET', S, 'V', exact(math.max(virtual, tonumber(largest or 0))))
    redis.call('DEL', P .. 'share', P .. 'finish')
    return
  end
  for _, caller in ipairs(redis.call('ZRANGEBYSCORE', P .. 'finish', '-inf', exact(virtual), 'LIMIT', 0, 20)) do
    redis.call('ZREM', P .. 'finish', caller)
    redis.call('HDEL', P .. 'share', caller)
  end
end

-- A new job gets its place.
local function order_add(id, caller, cost, kind)
  local virtual, arrival = state_of('V'), redis.call('HINCRBY', S, 'arrivals', 1)
  local share = share_of(caller)
  if not share or share.finish <= virtual then
    share = {finish = virtual, floor = virtual, turn = arrival}
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
local function hold_up(caller, arrival, start, floor)
  local room = start - floor
  local behind = redis.call('ZRANGEBYSCORE', P .. 'c:' .. caller, '(' .. arrival, '+inf', 'LIMIT', 0, 1)[1]
  if behind then
    local its_start, its_floor = get(behind, 'start', 'floor')
    redis.call('HSET', job(behind), 'floor', exact(math.max(tonumber(its_floor), tonumber(its_start) - room)))
    return
  end
  local share = share_of(caller)
  if share then
    share.floor = math.max(share.floor, share.finish - room)
    set_share(caller, share)
  end
end

-- A job leaves the order: taken, or (with `refund`) cancelled; then its caller gets the cost back.
local function order_remove(id, refund)
  local caller, kind, cost, member, start, floor, arrival =
    get(id, 'caller', 'kind', 'cost', 'member', 'start', 'floor', 'arrival')
  start, floor = tonumber(start), tonumber(floor)
  redis.call('ZREM', P .. 'l:' .. kind, member)
  redis.call('ZREM', P .. 'c:' .. caller, id)
  redis.call('HINCRBY', S, 'ordered', -1)
  if redis.call('EXISTS', P .. 'l:' .. kind) == 0 then
    redis.call('HDEL', P .. 'kinds', kind)
    redis.call('DEL', P .. 'passed:' .. kind)
  else
    redis.call('HINCRBYFLOAT', P .. 'kinds', kind, '-' .. cost)
  end
  if refund then
    local left = tonumber(cost)
    for _, later in ipairs(redis.call('ZRANGEBYSCORE', P .. 'c:' .. caller, '(' .. arrival, '+inf')) do
      if left <= 0 then break end
      local its_kind, its_member, its_start, its_floor = get(later, 'kind', 'member', 'start', 'floor')
      local moved_to = math.max(tonumber(its_floor), tonumber(its_start) - left)
      left = tonumber(its_start) - moved_to
      redis.call('ZADD', P .. 'l:' .. its_kind, exact(moved_to), its_member)
      redis.call('HSET', job(later), 'start', exact(moved_to))
    end
    local share = share_of(caller)
    if share then
      share.finish = math.max(share.floor, share.finish - left)
      set_share(caller, share)
    end
  else
    redis.call('HSET', S, 'V', exact(math.max(state_of('V'), start)))
  end
  hold_up(caller, arrival, start, floor)
  forget_callers()
end

local function before(one, other)
  return one.start < other.start or (one.start == other.start and one.member < other.member)
end

-- Whether the head of a line whose model is loaded may go before all earlier heads; if so, that is noted.
local function may_pass(heads, liked, slack)
  local function pass(member) return math.max(cost_of(member), 1 / 16) end  -- SMALLEST_PASS of fair_order.py
  local cost, passed = pass(liked.member), {}
  for _, head in ipairs(heads) do
    if before(head, liked) then
      local key, still, sum = P .. 'passed:' .. head.kind, {}, cost
      local before_it = redis.call('LRANGE', key, 0, -1)
      for _, words in ipairs(before_it) do
        local start, member = words:match('^(%S+) (.*)$')
        if before(head, {start = tonumber(start), member = member}) then
          still[#still + 1] = words
          sum = sum + pass(member)
        end
      end
      if #still < #before_it then
        redis.call('DEL', key)
        for _, words in ipairs(still) do redis.call('RPUSH', key, words) end
      end
      if sum > slack then return false end
      passed[#passed + 1] = head.kind
    end
  end
  for _, kind in ipairs(passed) do
    redis.call('RPUSH', P .. 'passed:' .. kind, exact(liked.start) .. ' ' .. liked.member)
  end
  return true
end

-- The next job in the order for a backend, by the heads of the lines that it accepts; nil: none.
local function order_next(backend, slack)
  local loaded = redis.call('HGET', P .. 'o:' .. backend, 'loaded')
  local heads, chosen, liked = {}, nil, nil
  for _, kind in ipairs(redis.call('HKEYS', P .. 'kinds')) do
    if accepts(backend, kind) then
      local member, start = unpack(redis.call('ZRANGE', P .. 'l:' .. kind, 0, 0, 'WITHSCORES'))
      local head = {kind = kind, member = member, start = tonumber(start)}
      heads[#heads + 1] = head
      if not chosen or before(head, chosen) then chosen = head end
      local model = kind:match('^(.-)\n')
      if (model == '' or model == loaded) and (not liked or before(head, liked)) then liked = head end
    end
  end
  if liked and liked ~= chosen and may_pass(heads, liked, slack) then chosen = liked end
  return chosen and id_of(chosen.member)
end
