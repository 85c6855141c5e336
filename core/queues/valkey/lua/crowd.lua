-- Places for a crowd (with place.lua): short lines that the same backends can do are read once and put together. There
-- may be as many lines as models times samplers, and each who asks would look into all of them. Reads only.
local SHORT, MOST_READ = 64, 4000
local classes, long, returned = {}, {}, {}

do
  local read = 0
  for _, kind in ipairs(redis.call('HKEYS', P .. 'kinds')) do
    local group, size = group_for(kind), redis.call('ZCARD', P .. 'l:' .. kind)
    if size <= SHORT and read + size <= MOST_READ then
      local class = classes[group] or {jobs = {}, sums = {[0] = 0}}
      classes[group], read = class, read + size
      local words = redis.call('ZRANGE', P .. 'l:' .. kind, 0, -1, 'WITHSCORES')
      for number = 1, #words, 2 do
        class.jobs[#class.jobs + 1] = {start = tonumber(words[number + 1]), member = words[number]}
      end
    else
      long[#long + 1] = kind
    end
  end
  for _, class in pairs(classes) do
    table.sort(class.jobs, before)
    for number, one in ipairs(class.jobs) do
      class.sums[number] = class.sums[number - 1] + cost_of(one.member)
    end
  end
  for _, kind in ipairs(redis.call('SMEMBERS', P .. 'returned')) do
    for _, id in ipairs(redis.call('ZRANGE', P .. 'b:' .. kind, 0, -1)) do
      local came, cost = get(id, 'came', 'cost')
      returned[#returned + 1] = {group = group_for(kind), came = tonumber(came), cost = tonumber(cost)}
    end
  end
end

-- How many jobs of a class are before this one.
local function rank_among(class, job_there)
  local low, high = 0, #class.jobs
  while low < high do
    local middle = math.floor((low + high) / 2)
    if before(class.jobs[middle + 1], job_there) then low = middle + 1 else high = middle end
  end
  return low
end

-- In place of that in place.lua, which `shown` calls: it tells the same.
function place(id)
  local kind, state, start, member, came, at = get(id, 'kind', 'state', 'start', 'member', 'came', 'at')
  start = at or start
  local came_before = state == 'back' and tonumber(came) or math.huge
  local job_there, group = {start = tonumber(start), member = member}, group_for(kind)
  local add, sum = tally(group)
  for _, other in ipairs(returned) do
    if other.came < came_before and competes(group, other.group) then add(other.group, 1, other.cost) end
  end
  if state == 'back' then return sum() end
  for other, class in pairs(classes) do
    if competes(group, other) then
      local rank = rank_among(class, job_there)
      add(other, rank, class.sums[rank])
    end
  end
  for _, other in ipairs(long) do
    if competes(group, group_for(other)) then
      local rank = rank_in(other, start, member)
      add(group_for(other), rank, work_of(other, rank))
    end
  end
  return sum()
end
