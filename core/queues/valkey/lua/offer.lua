-- offer(backend, milliseconds, usable, resting, loaded, pace, words, models, model..., sampler...): what a
-- backend can do, for so long; `models` is how many of the names that follow are models. Safe to repeat.
although_full()
local backend, models = arg(1), tonumber(arg(8))
local key = P .. 'o:' .. backend
local ended = tonumber(redis.call('ZSCORE', P .. 'offers', backend) or 0) <= NOW
redis.call('ZADD', P .. 'offers', NOW + tonumber(arg(2)), backend)
if not ended and redis.call('HGET', key, 'words') == arg(7) then return 0 end
redis.call('DEL', key, P .. 'om:' .. backend, P .. 'os:' .. backend)
redis.call('HSET', key, 'usable', arg(3), 'resting', arg(4), 'loaded', arg(5), 'pace', arg(6), 'words', arg(7))
for number = 9, #ARGV - 4 do
  redis.call('SADD', P .. (number - 8 <= models and 'om:' or 'os:') .. backend, arg(number))
end
changed()
return 1
