-- watch_again(process, number, id, flags, ...): this process hears of these jobs, as `watch` said before it was taken
-- for dead, or before Valkey lost that. Those that have ended are left alone, and those of which it was heard before
-- what it said later (by the number). Safe to repeat.
local process = arg(1)
for number = 3, ARGS, 2 do
  local id, flags = arg(number), arg(number + 1)
  if lives(get(id, 'state')) and is_last_word(id, process, arg(2)) then
    local before = redis.call('HGET', P .. 'w:' .. id, process)
    note_watched(id, process, flags)
    if before ~= flags then wish_changed(id) end
  end
end
