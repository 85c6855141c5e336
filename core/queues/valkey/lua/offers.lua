-- offers(): what all backends offer now. Reads only.
return all_offers()
