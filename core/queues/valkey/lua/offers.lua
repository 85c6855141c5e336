-- offers(): what all backends offer now. Reads only.
local offers = {}
for _, backend in ipairs(redis.call('ZRANGEBYSCORE', P .. 'offers', '(' .. NOW, '+inf')) do
  offers[#offers + 1] = redis.call('HGET', P .. 'o:' .. backend, 'words')
end
return offers
