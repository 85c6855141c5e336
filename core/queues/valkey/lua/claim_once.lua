-- claim_once(name, owner, milliseconds): 1 for the first who asks within this time, and for the same one again.
local key = P .. 'once:' .. arg(1)
local owner = redis.call('GET', key)
if owner then return owner == arg(2) and 1 or 0 end
redis.call('SET', key, arg(2), 'PX', arg(3))
return 1
