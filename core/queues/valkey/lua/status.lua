-- status(): {waiting, waiting of each caller, running of each caller, what runs, {backend, owner} of each that is
-- owned, how many workers live}. Reads only.
local owners = {}
for number, backend in ipairs(redis.call('ZRANGEBYSCORE', P .. 'own', '(' .. NOW, '+inf')) do
  owners[number] = {backend, redis.call('HGET', P .. 'owner', backend)}
end
return {state_of('waiting'), redis.call('HGETALL', P .. 'waits'), redis.call('HGETALL', P .. 'runs'),
  redis.call('HVALS', P .. 'on'), owners, redis.call('ZCOUNT', P .. 'workers', '(' .. NOW, '+inf')}
