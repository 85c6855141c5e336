-- publish(id, fence, words, words_with_preview): tell how far a job is, for as long as the claim is not void.
-- Only who wants previews gets them. Safe to repeat: fractions that do not rise are dropped by who hears them.
local id, bare, full = arg(1), arg(3), arg(4)
if not is_held(id, arg(2)) then return end
redis.call('HSET', job(id), 'last', bare)
if full ~= bare then redis.call('HSET', job(id), 'preview', full) else redis.call('HDEL', job(id), 'preview') end
local version = get(id, 'version')
local watching = redis.call('HGETALL', P .. 'w:' .. id)
for number = 1, #watching, 2 do
  local flags = tonumber(watching[number + 1])
  if bit.band(flags, 2) > 0 then
    send(watching[number], 'P', id, version, bit.band(flags, 4) > 0 and full or bare)
  end
end
