-- offer(backend, process, milliseconds, usable, resting, loaded, pace, words, models, model..., sampler...): what a
-- backend can do, for so long; `models` is how many of the names that follow are models. What comes from a process
-- that has lost the backend to another one counts no more. Safe to repeat.
although_full()
local backend, models = arg(1), tonumber(arg(9))
local key, owner = P .. 'o:' .. backend, redis.call('HGET', P .. 'owner', backend)
if owner and owner ~= arg(2) then return end
local offered_before = offers_now(backend)
redis.call('ZADD', P .. 'offers', NOW + tonumber(arg(3)), backend)
if offered_before and redis.call('HGET', key, 'words') == arg(8) then return end
redis.call('DEL', key, P .. 'om:' .. backend, P .. 'os:' .. backend)
redis.call('HSET', key, 'usable', arg(4), 'resting', arg(5), 'loaded', arg(6), 'pace', arg(7), 'words', arg(8))
for number = 10, ARGS do
  redis.call('SADD', P .. (number - 9 <= models and 'om:' or 'os:') .. backend, arg(number))
end
changed()
