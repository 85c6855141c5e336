-- claim_once(name, owner, milliseconds): 1 for the first who asks within this time, and for the same one again.
local key = P .. 'once:' .. arg(1)
if redis.call('SET', key, arg(2), 'NX', 'PX', arg(3)) then return 1 end
return redis.call('GET', key) == arg(2) and 1 or 0
