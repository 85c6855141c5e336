-- Where waiting jobs stand: how many are ahead that compete for the same backends, and the work until their turn
-- comes, as core/queues/memory/competition.py tells.

local EXACT = 200  -- the work ahead is summed up over so many places of a line, beyond them by its average
local MOST_UNEVEN = 3

local who_takes, busy_of
local pace_of, group_of, same, sums = {}, {}, {}, {}

-- What runs: "backend started cost" of each.
local function running() return redis.call('HVALS', P .. 'on') end

-- Seconds a cost unit of each of these backends; the median of the others for one that has not painted yet, and
-- `unknown` where none has.
local function paces_of(backends, unknown)
  local paces, known = {}, {}
  for _, backend in ipairs(backends) do
    if pace_of[backend] == nil then
      pace_of[backend] = tonumber(redis.call('HGET', P .. 'o:' .. backend, 'pace') or '') or false
    end
    if pace_of[backend] then known[#known + 1] = pace_of[backend] end
  end
  table.sort(known)
  local low, high = known[math.floor((#known + 1) / 2)], known[math.ceil((#known + 1) / 2)]
  local usual = low and (low + high) / 2 or unknown
  for _, backend in ipairs(backends) do paces[backend] = pace_of[backend] or usual end
  return paces
end

-- Seconds for which a backend goes on with what it paints.
local function busy(backend)
  if not busy_of then
    busy_of = {}
    local paces = paces_of(offering(), 0)
    for _, words in ipairs(running()) do
      local its_name, started, cost = words:match('^(.*) (%S+) (%S+)$')
      local left = (tonumber(started) - NOW) / 1000 + (paces[its_name] or 0) * tonumber(cost)
      busy_of[its_name] = math.max(0, left, busy_of[its_name] or 0)
    end
  end
  return busy_of[backend] or 0
end

-- Of backends that can do the same: whether a name is one of them (`able`), those that are not resting unless all
-- are (`ready`), the speed of each of these, and their pace together.
local function new_group(backends)
  local group, speed, paces = {able = {}, ready = {}, speeds = {}, rivals = {}}, 0, paces_of(backends, 1)
  for _, backend in ipairs(backends) do
    group.able[backend] = true
    if redis.call('HGET', P .. 'o:' .. backend, 'usable') == '1' then group.ready[#group.ready + 1] = backend end
  end
  if #group.ready == 0 then group.ready = backends end
  for number, backend in ipairs(group.ready) do
    group.speeds[number] = 1 / paces[backend]
    speed = speed + group.speeds[number]
  end
  group.pace = 1 / speed
  return group
end

-- The group of the backends that can do a kind; one of its own where none can.
local function group_for(kind)
  if not group_of[kind] then
    who_takes = who_takes or takers()
    local able = {}
    for _, backend in ipairs(who_takes) do
      if accepts(backend, kind) then able[#able + 1] = backend end
    end
    local names = #able > 0 and table.concat(able, '\n') or '\n' .. kind
    same[names] = same[names] or new_group(able)
    group_of[kind] = same[names]
  end
  return group_of[kind]
end

local function competes(group, other)
  if group.rivals[other] == nil then
    group.rivals[other] = group == other
    for backend in pairs(group.able) do
      if other.able[backend] then group.rivals[other] = true end
    end
  end
  return group.rivals[other]
end

-- What is ahead of a job of this group: `add(other, jobs, work)` of each group that competes, then `sum()`.
local function tally(group)
  local jobs, own, load = 0, 0, {}
  local function add(other, more, work)
    jobs = jobs + more
    if other == group then own = own + work end
    local seconds = work * other.pace
    for _, backend in ipairs(other.ready) do load[backend] = (load[backend] or 0) + seconds end
  end
  local function sum()
    local least, until_turn = math.huge, 0
    for _, backend in ipairs(group.ready) do least = math.min(least, busy(backend) + (load[backend] or 0)) end
    for number, backend in ipairs(group.ready) do
      local seconds = math.min(load[backend] or 0, MOST_UNEVEN * least - busy(backend))
      if seconds > 0 then until_turn = until_turn + seconds * group.speeds[number] end
    end
    return jobs, math.max(own, until_turn)
  end
  return add, sum
end

local function work_of(kind, places)
  local line = sums[kind]
  if not line then
    local sum = 0
    line = {[0] = 0}
    for number, member in ipairs(redis.call('ZRANGE', P .. 'l:' .. kind, 0, EXACT - 1)) do
      sum = sum + cost_of(member)
      line[number] = sum
    end
    local rest = redis.call('ZCARD', P .. 'l:' .. kind) - #line
    line.mean = rest > 0 and (tonumber(redis.call('HGET', P .. 'kinds', kind)) - sum) / rest or 0
    sums[kind] = line
  end
  return line[places] or line[#line] + (places - #line) * line.mean
end

-- How many in a line are before a start and member. Jobs of one start are told apart by halving.
local function rank_in(kind, start, member)
  local key = P .. 'l:' .. kind
  local low = redis.call('ZCOUNT', key, '-inf', '(' .. start)
  local high = low + redis.call('ZCOUNT', key, start, start)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if redis.call('ZRANGE', key, middle, middle)[1] < member then low = middle + 1 else high = middle end
  end
  return low
end

-- Jobs and work ahead of a waiting job.
local function place(id)
  local kind, state, start, member, came, at = get(id, 'kind', 'state', 'start', 'member', 'came', 'at')
  start = at or start
  local came_before = state == 'back' and '(' .. came or '+inf'
  local group = group_for(kind)
  local add, sum = tally(group)
  for _, other in ipairs(redis.call('SMEMBERS', P .. 'returned')) do
    if competes(group, group_for(other)) then
      for _, earlier in ipairs(redis.call('ZRANGEBYSCORE', P .. 'b:' .. other, '-inf', came_before)) do
        add(group_for(other), 1, tonumber(get(earlier, 'cost')))
      end
    end
  end
  if state == 'back' then return sum() end
  for _, other in ipairs(redis.call('HKEYS', P .. 'kinds')) do
    if competes(group, group_for(other)) then
      local rank = other == kind and redis.call('ZRANK', P .. 'l:' .. kind, member)
        or rank_in(other, start, member)
      add(group_for(other), rank, work_of(other, rank))
    end
  end
  return sum()
end

-- A job in the words of a reply: state, version, then what a watcher needs to know.
local function shown(id)
  local state, version, attempts, last, ended, fence, pictures, kind, cost =
    get(id, 'state', 'version', 'attempts', 'last', 'end', 'fence', 'pictures', 'kind', 'cost')
  if not state then return {'none'} end
  if state == 'waiting' or state == 'back' then
    local ahead, work = place(id)
    return {'waiting', version, attempts, ahead, exact(work), kind, cost}
  end
  if state == 'running' then return {'running', version, last} end
  return {state, version, fence or '0', pictures, ended}
end
