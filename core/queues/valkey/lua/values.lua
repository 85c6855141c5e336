-- values(kind): the names of all values of a kind, those first that end first. With a name: {its value}, {} for none.
if arg(2) then
  local value = redis.call('GET', P .. 'value:' .. arg(1) .. ':' .. arg(2))
  return value and {value} or {}
end
return redis.call('ZRANGEBYSCORE', P .. 'values:' .. arg(1), '(' .. NOW, '+inf')
