-- Where lines lag behind V (with: order place), as _behind of core/fair_order.py tells.

local MOST_LATE = 500

-- The lines that compete for the same backends, if one of them lags and they are not too long.
local function late_lines(kind)
  local virtual, kinds, late, lags = state_of('V'), redis.call('HKEYS', P .. 'kinds'), {}, false
  for _, other in ipairs(kinds) do
    late[other] = tonumber(redis.call('ZRANGE', P .. 'l:' .. other, 0, 0, 'WITHSCORES')[2]) < virtual
    lags = lags or late[other]
  end
  if not lags then return nil end  -- mostly so: no need to look at the backends
  local lines, waiting = {}, 0
  lags = false
  for _, other in ipairs(kinds) do
    if competes(group_for(kind), group_for(other)) then
      lines[other], lags = true, lags or late[other]
      waiting = waiting + redis.call('ZCARD', P .. 'l:' .. other)
    end
  end
  return lags and waiting - 1 <= MOST_LATE and lines  -- the new one is there already
end

-- The jobs of these lines that stand before this one, in order.
local function jobs_before(lines, this)
  local jobs = {}
  for kind in pairs(lines) do
    local words = redis.call('ZRANGEBYSCORE', P .. 'l:' .. kind, '-inf', exact(this.start), 'WITHSCORES')
    for number = 1, #words, 2 do
      local one = {member = words[number], start = tonumber(words[number + 1])}
      if before(one, this) then jobs[#jobs + 1] = one end
    end
  end
  table.sort(jobs, before)
  return jobs
end

-- The work that a caller has waiting in these lines, but for one job.
local function work_in(lines, caller, but)
  local work = 0
  for _, id in ipairs(redis.call('ZRANGE', P .. 'c:' .. caller, 0, -1)) do
    local kind, cost = get(id, 'kind', 'cost')
    if id ~= but and lines[kind] then work = work + tonumber(cost) end
  end
  return work
end

-- A new job, which is in the order already, goes where it takes turns with what has waited for long.
local function take_turn(id)
  local caller, kind, cost, start, member = get(id, 'caller', 'kind', 'cost', 'start', 'member')
  local lines = late_lines(kind)
  if not lines then return end
  local mine = tonumber(cost) + math.max(work_in(lines, caller, id), tonumber(start) - state_of('V'))
  local theirs, last, passes = {}, nil, false
  for _, one in ipairs(jobs_before(lines, {start = tonumber(start), member = member})) do
    local whose = get(id_of(one.member), 'caller')
    local work = theirs[whose] or 0
    passes = work >= mine
    if not passes then last = one end
    theirs[whose] = work + cost_of(one.member)
  end
  if not passes then return end
  local there = last.member:sub(1, 15) .. member:sub(16)
  redis.call('ZREM', P .. 'l:' .. kind, member)
  redis.call('ZADD', P .. 'l:' .. kind, exact(last.start), there)
  redis.call('HSET', job(id), 'at', exact(last.start), 'member', there, 'own', member)
end
