-- status(): {waiting, waiting of each caller, running of each caller, what runs, owner of each backend, live
-- workers}. Reads only.
local owners = {}
for _, backend in ipairs(redis.call('ZRANGEBYSCORE', P .. 'own', '(' .. NOW, '+inf')) do
  owners[#owners + 1] = backend
  owners[#owners + 1] = redis.call('HGET', P .. 'owner', backend)
end
return {state_of('waiting'), redis.call('HGETALL', P .. 'waits'), redis.call('HGETALL', P .. 'runs'),
  redis.call('HVALS', P .. 'on'), owners, redis.call('ZRANGEBYSCORE', P .. 'workers', '(' .. NOW, '+inf')}
