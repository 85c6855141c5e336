-- Where waiting jobs stand: how many are ahead that compete for the same backends, and the work until their turn
-- comes, as core/queues/memory/competition.py tells.

local EXACT = 200  -- the work ahead is summed up over so many places of a line, beyond them by its average

local MOST_UNEVEN = 3
local able, sums, speeds = {}, {}, nil

local function able_for(kind)
  if not able[kind] then
    able[kind] = {}
    for _, backend in ipairs(usable(true)) do able[kind][backend] = accepts(backend, kind) or nil end
  end
  return able[kind]
end

local function competes(kind, other)
  if kind == other then return true end
  for backend in pairs(able_for(kind)) do
    if able_for(other)[backend] then return true end
  end
  return false
end

-- Cost units a second of each backend; alike where none has painted yet.
local function speed_of(backend)
  if not speeds then
    local known, paces = {}, {}
    for _, name in ipairs(usable(true)) do
      paces[name] = tonumber(redis.call('HGET', P .. 'o:' .. name, 'pace') or '')
      known[#known + 1] = paces[name]
    end
    table.sort(known)
    local usual = #known > 0 and (known[math.floor((#known + 1) / 2)] + known[math.ceil((#known + 1) / 2)]) / 2 or 1
    speeds = setmetatable({}, {__index = function(_, name) return 1 / (paces[name] or usual) end})
  end
  return speeds[backend]
end

-- What is ahead of a job of this kind: `add(other, jobs, work)` of each kind that competes, then `sum()`.
local function tally(kind)
  local jobs, work, alike, load = 0, 0, true, {}
  local function add(other, more, its_work)
    if more == 0 then return end
    jobs, work = jobs + more, work + its_work
    local all, shared, speed = 0, 0, 0
    for backend in pairs(able_for(other)) do
      all, speed = all + 1, speed + speed_of(backend)
      if able_for(kind)[backend] then shared = shared + 1 end
    end
    alike = alike and shared == all
    for backend in pairs(able_for(kind)) do
      if able_for(other)[backend] then load[backend] = (load[backend] or 0) + its_work / speed else alike = false end
    end
  end
  local function sum()
    if alike then return jobs, work end
    local least, until_turn = math.huge, 0
    for backend in pairs(able_for(kind)) do least = math.min(least, load[backend] or 0) end
    for backend in pairs(able_for(kind)) do
      until_turn = until_turn + math.min(load[backend] or 0, MOST_UNEVEN * least) * speed_of(backend)
    end
    return jobs, until_turn
  end
  return add, sum
end

local function work_of(kind, places)
  local line = sums[kind]
  if not line then
    local sum = 0
    line = {[0] = 0}
    for number, member in ipairs(redis.call('ZRANGE', P .. 'l:' .. kind, 0, EXACT - 1)) do
      sum = sum + tonumber(member:match('^(%S+) ', 31))
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
  local kind, state, start, member, came = get(id, 'kind', 'state', 'start', 'member', 'came')
  local is_back = state == 'back'
  local add, sum = tally(kind)
  for _, other in ipairs(redis.call('SMEMBERS', P .. 'returned')) do
    if competes(kind, other) then
      local before_it = is_back and '(' .. came or '+inf'
      for _, earlier in ipairs(redis.call('ZRANGEBYSCORE', P .. 'b:' .. other, '-inf', before_it)) do
        add(other, 1, tonumber(get(earlier, 'cost')))
      end
    end
  end
  if is_back then return sum() end
  for _, other in ipairs(redis.call('HKEYS', P .. 'kinds')) do
    if competes(kind, other) then
      local rank
      if other == kind then
        rank = redis.call('ZRANK', P .. 'l:' .. kind, member)
      else
        rank = rank_in(other, start, member)
      end
      add(other, rank, work_of(other, rank))
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

-- What runs: "backend started cost" of each.
local function running() return redis.call('HVALS', P .. 'on') end
