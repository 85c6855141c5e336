-- watch_again(process, id, flags, ...): this process hears of these jobs, as `watch` said before it was taken for
-- dead, or before Valkey lost that. Those that have ended are left alone. Safe to repeat.
local process = arg(1)
although_full()
for number = 2, ARGS, 2 do
  local id, flags = arg(number), arg(number + 1)
  if lives(get(id, 'state')) then
    local before = redis.call('HGET', P .. 'w:' .. id, process)
    note_watched(id, process, flags)
    if before ~= flags then wish_changed(id) end
  end
end
