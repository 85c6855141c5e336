-- Where waiting jobs stand: how many are ahead that compete for the same backends, and how much work that is.

local EXACT = 200  -- the work ahead is summed up over so many places of a line, beyond them by its average

local able, sums = {}, {}

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
  local ahead, work = 0, 0
  for _, other in ipairs(redis.call('SMEMBERS', P .. 'returned')) do
    if competes(kind, other) then
      local before_it = is_back and '(' .. came or '+inf'
      for _, earlier in ipairs(redis.call('ZRANGEBYSCORE', P .. 'b:' .. other, '-inf', before_it)) do
        ahead, work = ahead + 1, work + tonumber(get(earlier, 'cost'))
      end
    end
  end
  if is_back then return ahead, work end
  for _, other in ipairs(redis.call('HKEYS', P .. 'kinds')) do
    if competes(kind, other) then
      local rank
      if other == kind then
        rank = redis.call('ZRANK', P .. 'l:' .. kind, member)
      else
        rank = rank_in(other, start, member)
      end
      ahead, work = ahead + rank, work + work_of(other, rank)
    end
  end
  return ahead, work
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
