-- with: order place turns life
-- put(id, request, caller, keep, kind, cost, max_queue, max_jobs_per_user, most_late, until): accept a job.
-- Answers `new`; `known` (it waits, runs or has completed); {'other', REQUEST} (its id came with that one);
-- {'full', N}, {'many', N} (so many wait); `late` (it is past `until`: the caller was told that it failed).
-- Safe to repeat: the second time it is known.
local id, request, caller, keep, kind, cost = arg(1), arg(2), arg(3), arg(4), arg(5), arg(6)
seen()
if NOW > tonumber(arg(10)) then return {'late'} end
local state, before_that, kept, ended, ended_by = get(id, 'state', 'request', 'keep', 'end', 'ended_by')
if state == 'expired' or (state == 'ended' and kept == '0') then state = nil end
if state then
  if before_that ~= request then return {'other', before_that} end
  if not ended or ended:sub(1, 1) == 'C' then
    if keep == '1' and kept == '0' then
      redis.call('HSET', job(id), 'keep', '1')
      redis.call('ZREM', P .. 'unwatched', id)
    end
    redis.call('HSET', job(id), 'put_at', NOW)
    return {'known'}
  end
end
local waiting, own = state_of('waiting'), tonumber(redis.call('HGET', P .. 'waits', caller) or 0)
if waiting >= tonumber(arg(7)) then return {'full', waiting} end
if own >= tonumber(arg(8)) then return {'many', own} end
if redis.call('EXISTS', job(id)) == 1 then
  leave_kept(id)
  redis.call('ZREM', P .. 'brief', id)
  redis.call('ZREM', P .. 'gone', id)
  let_pictures_lapse(id, BRIEF)
  redis.call('DEL', job(id))
  -- The call that ended it may be made again, and must not be taken for a new one.
  if ended_by then redis.call('HSET', job(id), 'ended_by', ended_by) end
end
redis.call('HSET', job(id), 'request', request, 'caller', caller, 'keep', keep, 'kind', kind, 'cost', cost,
  'put_at', NOW, 'state', 'waiting', 'version', changed(), 'attempts', 0, 'failures', 0, 'deliveries', 0)
count_waiting(caller, 1)
order_add(id, caller, cost, kind)
take_turn(id, tonumber(arg(9)))
note_unwatched(id)
wake(kind)
return {'new'}
