-- value(kind, name, milliseconds, words): store a value, with 0 milliseconds drop it. Safe to repeat.
-- The names of a kind stand in a zset by their end, to the microsecond: those of one millisecond would stand by name.
local key, names = P .. 'value:' .. arg(1) .. ':' .. arg(2), P .. 'values:' .. arg(1)
redis.call('ZREMRANGEBYSCORE', names, '-inf', NOW)
if arg(3) == '0' then
  redis.call('DEL', key)
  redis.call('ZREM', names, arg(2))
else
  redis.call('SET', key, arg(4), 'PX', arg(3))
  redis.call('ZADD', names, exact(NOW + tonumber(arg(3)) + tonumber(clock[2]) % 1000 / 1000), arg(2))
end
