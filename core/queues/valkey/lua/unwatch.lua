-- with: order place life
-- unwatch(id, process, abandon, words, flags, number): this process wants so much of the job now; flags 0: nothing.
-- With `abandon` 1 the job ends, as `words` say, if nobody watches it and it is not kept. Does nothing where what the
-- process said later (by the number) was heard before: somebody there may be back. Safe to repeat.
local id, process, flags = arg(1), arg(2), arg(5)
local state, keep = get(id, 'state', 'keep')
-- Nor where it watches nothing any more, as in the job's next life; one taken for dead says all of it again.
local is_said = flags == '0' or redis.call('HEXISTS', P .. 'w:' .. id, process) == 1
if lives(state) and not (is_said and is_last_word(id, process, arg(6))) then return end
if flags == '0' then
  redis.call('HDEL', P .. 'w:' .. id, process)
  redis.call('SREM', P .. 'pw:' .. process, id)
end
if not lives(state) then return end
if flags ~= '0' then redis.call('HSET', P .. 'w:' .. id, process, flags) end
wish_changed(id)
if flags ~= '0' or redis.call('EXISTS', P .. 'w:' .. id) == 1 then return end
if arg(3) == '1' and keep == '0' then end_job(id, arg(4)) else note_unwatched(id) end
