-- Who deploys may act as the tables' owner.
GRANT migrator TO shop;
