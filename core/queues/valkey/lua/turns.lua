-- Where lines lag behind V (with: order place), as _behind of core/fair_order.py tells.

local LOOK = 256

-- The lines that lag and that the same backends can do: their jobs in order but this one, and their kinds.
local function late_jobs(id, kind)
  local virtual, jobs, late = state_of('V'), {}, {}
  for _, other in ipairs(redis.call('HKEYS', P .. 'kinds')) do
    local first = redis.call('ZRANGE', P .. 'l:' .. other, 0, 0, 'WITHSCORES')
    if tonumber(first[2]) < virtual and group_for(other) == group_for(kind) then
      late[other] = true
      local words = redis.call('ZRANGE', P .. 'l:' .. other, 0, LOOK, 'WITHSCORES')
      for number = 1, #words, 2 do
        if id_of(words[number]) ~= id then
          jobs[#jobs + 1] = {member = words[number], start = tonumber(words[number + 1])}
        end
      end
    end
  end
  table.sort(jobs, before)
  return jobs, late
end

-- A new job, which is in the order already, goes where it takes turns with what has waited for long.
local function take_turn(id)
  local caller, kind, cost, start, member = get(id, 'caller', 'kind', 'cost', 'start', 'member')
  local jobs, late = late_jobs(id, kind)
  if #jobs == 0 then return end
  start = tonumber(start)
  local own, own_work = 0, 0
  for _, other in ipairs(redis.call('ZRANGE', P .. 'c:' .. caller, 0, -1)) do
    local its_kind, its_cost = get(other, 'kind', 'cost')
    if other ~= id and late[its_kind] then own, own_work = own + 1, own_work + tonumber(its_cost) end
  end
  local mine, theirs = tonumber(cost) + math.max(own_work, start - state_of('V')), {}
  for number = 1, math.min(LOOK, #jobs) do
    local one = jobs[number]
    if not before(one, {start = start, member = member}) then return end
    local its_caller = get(id_of(one.member), 'caller')
    if its_caller == caller then
      own = own - 1
    elseif (theirs[its_caller] or 0) >= mine and own == 0 then
      local last = jobs[number - 1]
      local at, there = exact(last.start), last.member:sub(1, 15) .. member:sub(16)
      redis.call('ZREM', P .. 'l:' .. kind, member)
      redis.call('ZADD', P .. 'l:' .. kind, at, there)
      redis.call('HSET', job(id), 'at', at, 'member', there)
      return
    else
      theirs[its_caller] = (theirs[its_caller] or 0) + cost_of(one.member)
    end
  end
end
