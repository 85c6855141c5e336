-- with: order place life
-- unclaim(token, backend, process): the call with this token was cut off; what it got, or would get later, goes back.
-- Safe to repeat.
although_full()
local id = redis.call('HGET', P .. 'tokens', arg(1))
if redis.call('HGET', P .. 'idle', arg(2)) == arg(3) then redis.call('HDEL', P .. 'idle', arg(2)) end
withdraw(arg(1))
if id then give_back(id) end
