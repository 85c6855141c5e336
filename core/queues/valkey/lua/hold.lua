-- hold(name, owner, milliseconds): take or renew a lease, with 0 milliseconds let go of one's own. Answers 1 if
-- it is the owner's. Safe to repeat.
local key = P .. 'lease:' .. arg(1)
local owner = redis.call('GET', key)
if owner and owner ~= arg(2) then return 0 end
if arg(3) == '0' then
  redis.call('DEL', key)
elseif owner then
  redis.call('PEXPIRE', key, arg(3))  -- needs no memory: where that is full, no lease ends
else
  redis.call('SET', key, arg(2), 'PX', arg(3))
end
return 1
