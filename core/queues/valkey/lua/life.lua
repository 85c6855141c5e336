-- The steps of a job's life: wait, run, come back, end.

-- The call with this token claims nothing from now on.
local function withdraw(token) redis.call('SET', P .. 'withdrawn:' .. token, '1', 'PX', 60000) end

-- The claim of a running job is void from now on.
local function release(id)
  local caller, token = get(id, 'caller', 'token')
  wish_changed(id)
  redis.call('ZREM', P .. 'run', id)
  redis.call('HDEL', P .. 'on', id)
  redis.call('HDEL', P .. 'tokens', token)
  withdraw(token)  -- it may have been made twice, and the second one be late
  count('runs', caller, -1)
end

-- Pictures outlive the moment in which a result is let go: those who watched are about to fetch them.
local function let_pictures_lapse(id, milliseconds)
  local fence, pictures = get(id, 'fence', 'pictures')
  for number = 0, tonumber(pictures or 0) - 1 do
    redis.call('PEXPIRE', picture(id, fence, number), milliseconds)
  end
end

-- It is none of the kept results any more.
local function leave_kept(id)
  if redis.call('ZREM', P .. 'kept', id) == 1 then
    redis.call('HINCRBY', S, 'kept_bytes', '-' .. (get(id, 'size') or '0'))
  end
end

-- A kept result is gone; for a while longer its id is answered with `expired`.
local function expire(id)
  leave_kept(id)
  redis.call('HSET', job(id), 'state', 'expired')
  redis.call('HDEL', job(id), 'request', 'kind')
  redis.call('ZADD', P .. 'gone', NOW + math.max(RESULT_TTL, BRIEF), id)  -- with it go the pictures
  let_pictures_lapse(id, BRIEF)
end

-- A job that came back stands with those of its kind, and knows its place among all.
local function stand_returned(id, kind)
  local came = redis.call('HINCRBY', S, 'returns', 1)
  redis.call('HSET', job(id), 'came', came)
  redis.call('SADD', P .. 'returned', kind)
  redis.call('ZADD', P .. 'b:' .. kind, came, id)
end

-- It is begun again, or ends.
local function leave_returned(id, kind)
  redis.call('ZREM', P .. 'b:' .. kind, id)
  if redis.call('EXISTS', P .. 'b:' .. kind) == 0 then redis.call('SREM', P .. 'returned', kind) end
end

-- The one place where a job that waits or runs ends. `words` say how; `size` is the bytes of its pictures, if it
-- has any.
local function end_job(id, words, pictures, size)
  local state, caller, keep, fence, kind = get(id, 'state', 'caller', 'keep', 'fence', 'kind')
  pictures, size = pictures or 0, size or 0
  if state == 'running' then
    release(id)
  else
    if state == 'back' then leave_returned(id, kind) else order_remove(id) end
    count_waiting(caller, -1)
  end
  local version = changed()
  redis.call('HSET', job(id), 'state', 'ended', 'version', version, 'end', words, 'pictures', pictures)
  redis.call('HDEL', job(id), 'last', 'preview')
  tell(id, version, 'E', (fence or '0') .. '\n' .. pictures .. '\n' .. words)
  for _, process in ipairs(redis.call('HKEYS', P .. 'w:' .. id)) do
    redis.call('SREM', P .. 'pw:' .. process, id)
  end
  redis.call('DEL', P .. 'w:' .. id)
  redis.call('ZREM', P .. 'unwatched', id)
  if keep == '0' then
    redis.call('HDEL', job(id), 'request')  -- nobody asks for it any more, and of these there may be very many
    redis.call('ZADD', P .. 'brief', NOW + BRIEF, id)
    let_pictures_lapse(id, HOUR)  -- dropped before, unless they are on their way to somebody whose line is slow
    return
  end
  let_pictures_lapse(id, RESULT_TTL + HOUR)  -- it expires before
  local weight = size + RECORD + redis.call('HSTRLEN', job(id), 'request') + #words
  redis.call('HSET', job(id), 'size', weight)
  redis.call('ZADD', P .. 'kept', NOW + RESULT_TTL, id)
  redis.call('HINCRBY', S, 'kept_bytes', weight)
  if weight > RESULT_MAX then expire(id) end  -- it would go as well, after all the others
  while state_of('kept_bytes') > RESULT_MAX do expire(redis.call('ZRANGE', P .. 'kept', 0, 0)[1]) end
end

-- A running job waits again, first in line.
local function give_back(id)
  local caller, kind = get(id, 'caller', 'kind')
  release(id)
  local version = changed()
  redis.call('HSET', job(id), 'state', 'back', 'version', version)
  stand_returned(id, kind)
  count_waiting(caller, 1)
  redis.call('HDEL', job(id), 'last', 'preview')
  note_unwatched(id)
  local attempts, cost, avoid = get(id, 'attempts', 'cost', 'avoid')
  local ahead, work = place(id)
  tell(id, version, 'Q', attempts .. ' ' .. ahead .. ' ' .. exact(work) .. ' ' .. cost .. '\n' .. kind)
  wake(kind, avoid)
end
