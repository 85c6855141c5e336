-- Where lines lag behind V (with: order), as core/turns.py tells.

local STEP = 64  -- as there

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

local function turn_of(job_there) return tonumber(job_there.member:sub(1, 15)) end

-- Right behind the last that goes before it (nil: there is none): that one's start, and a turn of its own.
local function place_between(last, following)
  if not last then return following.start, math.max(0, turn_of(following) - STEP) end
  if last.start ~= following.start then return last.start, turn_of(last) + STEP end
  local room = turn_of(following) - turn_of(last)
  return last.start, turn_of(last) + (room > 1 and math.min(STEP, math.floor((room + 7) / 8)) or 0)
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
  local theirs, last, following, dearer = {}, nil, nil, {}
  local jobs = jobs_before(lines, {start = tonumber(start), member = member})
  for _, one in ipairs(jobs) do
    local whose, due = get(id_of(one.member), 'caller', 'due')
    local work, its_cost = theirs[whose] or 0, cost_of(one.member)
    theirs[whose], due = work + its_cost, tonumber(due or its_cost)
    if work < mine and (whose == caller or work + due <= mine) then
      last, following, dearer = one, nil, {}
    else
      following = following or one
      if work < mine then dearer[id_of(one.member)] = due end
    end
  end
  if not following then return end
  local passed = {}
  for other, due in pairs(dearer) do
    redis.call('HSET', job(other), 'due', exact(due - tonumber(cost)))
    passed[#passed + 1] = other
  end
  local at, turn = place_between(last, following)
  local there = string.format('%015d', turn) .. member:sub(16)
  redis.call('ZREM', P .. 'l:' .. kind, member)
  redis.call('ZADD', P .. 'l:' .. kind, exact(at), there)
  redis.call('HSET', job(id), 'at', exact(at), 'member', there, 'own', member,
    'passed', table.concat(passed, '\n'))
end
