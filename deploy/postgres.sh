#!/bin/sh
# Runs once, when the database's volume is empty: the owner of Ascolto's tables, who is no superuser, and the database.
# The other logins are made by the `migrate` service (accounts/roles.py).
set -eu
psql --set ON_ERROR_STOP=1 --set password="$ASCOLTO_OWNER_PASSWORD" --username "$POSTGRES_USER" --dbname postgres <<'SQL'
CREATE ROLE ascolto_owner LOGIN CREATEROLE NOSUPERUSER PASSWORD :'password';
CREATE DATABASE ascolto OWNER ascolto_owner;
SQL
