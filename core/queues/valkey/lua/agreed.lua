-- agreed(name, candidate): a word on which all processes agree: the first candidate of them all. Safe to repeat.
although_full()
redis.call('HSETNX', S, arg(1), arg(2))
return redis.call('HGET', S, arg(1))
