-- heard(name): whether a process whose name begins so is alive. Reads only.
for _, process in ipairs(redis.call('ZRANGEBYSCORE', P .. 'processes', '(' .. NOW, '+inf')) do
  if process:sub(1, #arg(1)) == arg(1) then return 1 end
end
return 0
