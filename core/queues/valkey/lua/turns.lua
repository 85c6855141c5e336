-- Where lines lag behind V (with: order), as core/turns.py tells.

-- The lines that compete for the same backends, if one of them lags and no more than `most` others wait in them.
local function late_lines(kind, most)
  local virtual, kinds, late, lags = state_of('V'), redis.call('HKEYS', P .. 'kinds'), {}, false
  for _, other in ipairs(kinds) do
    late[other] = tonumber(redis.call('ZRANGE', P .. 'l:' .. other, 0, 0, 'WITHSCORES')[2]) < virtual
    lags = lags or late[other]
  end
  if not lags then return nil end  -- mostly so: no need to look at the backends
  local able, lines, waiting = {}, {}, 0
  for _, backend in ipairs(takers()) do
    if accepts(backend, kind) then able[#able + 1] = backend end
  end
  local function rivals(other)  -- one backend that can do both is enough: few of them are asked
    if other == kind then return true end
    for _, backend in ipairs(able) do
      if accepts(backend, other) then return true end
    end
  end
  lags = false
  for _, other in ipairs(kinds) do
    if rivals(other) then
      lines[other], lags = true, lags or late[other]
      waiting = waiting + redis.call('ZCARD', P .. 'l:' .. other)
      if waiting - 1 > most then return nil end  -- the new one is there already
    end
  end
  return lags and lines
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

-- A new job, which is in the order already, goes where it takes turns with what has waited for long; where more than
-- `most` wait it stays at its start.
local function take_turn(id, most)
  local caller, kind, cost, start, member = get(id, 'caller', 'kind', 'cost', 'start', 'member')
  local lines = late_lines(kind, most)
  if not lines then return end
  local own = work_in(lines, caller, id)
  local mine = tonumber(cost) + math.max(own, tonumber(start) - state_of('V'))
  redis.call('HSET', job(id), 'due', exact(mine - own))
  local theirs, last, passes, dearer = {}, nil, false, {}
  local jobs = jobs_before(lines, {start = tonumber(start), member = member})
  for _, one in ipairs(jobs) do
    local whose, due = get(id_of(one.member), 'caller', 'due')
    local work, its_cost = theirs[whose] or 0, cost_of(one.member)
    theirs[whose], due = work + its_cost, tonumber(due or its_cost)
    passes = work >= mine or (whose ~= caller and work + due > mine)
    if not passes then
      last, dearer = one, {}
    elseif work < mine then
      dearer[id_of(one.member)] = due
    end
  end
  if not passes then return end
  local passed = {}
  for other, due in pairs(dearer) do
    redis.call('HSET', job(other), 'due', exact(due - tonumber(cost)))
    passed[#passed + 1] = other
  end
  local at = last or jobs[1]
  local turn = tonumber(at.member:sub(1, 15))
  if not last then turn = math.max(0, turn - 1) end  -- before all of them
  local there = string.format('%015d', turn) .. member:sub(16)
  redis.call('ZREM', P .. 'l:' .. kind, member)
  redis.call('ZADD', P .. 'l:' .. kind, exact(at.start), there)
  redis.call('HSET', job(id), 'at', exact(at.start), 'member', there, 'own', member,
    'passed', table.concat(passed, '\n'))
end
