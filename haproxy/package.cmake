# The Debian package, made by cpack from what `cmake --install` installs. Its
# paths are those of the configuration: haproxy/package.sh sets them right.
set(debian ${CMAKE_CURRENT_SOURCE_DIR}/debian)
set(doc ${CMAKE_INSTALL_DATADIR}/doc/spoa-idempotency)

install(PROGRAMS ${CMAKE_CURRENT_SOURCE_DIR}/completion/spoa-idempotency
	DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
	PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
install(FILES ${debian}/copyright DESTINATION ${doc})

# gzipped FILE NAME DESTINATION: without a name and a time inside, so that the
# same sources make the same package.
function(gzipped file name destination)
	execute_process(COMMAND gzip -9nc ${file}
		OUTPUT_FILE ${CMAKE_CURRENT_BINARY_DIR}/${name}
		COMMAND_ERROR_IS_FATAL ANY)
	set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
	install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}
		DESTINATION ${destination})
endfunction()
gzipped(${PROJECT_SOURCE_DIR}/CHANGELOG.md changelog.gz ${doc})
gzipped(${PROJECT_SOURCE_DIR}/OPERATION.md OPERATION.md.gz ${doc})
gzipped(${debian}/changelog changelog.Debian.gz ${doc})
foreach(section 5 8)
	file(GLOB pages ${CMAKE_CURRENT_SOURCE_DIR}/man/*.${section})
	foreach(page IN LISTS pages)
		get_filename_component(name ${page} NAME)
		gzipped(${page} ${name}.gz
			${CMAKE_INSTALL_MANDIR}/man${section})
	endforeach()
endforeach()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME spoa-idempotency)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT
	"spoa-idempotency maintainers <maintainers@spoa-idempotency.example>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY
	"idempotency for any HTTP API behind HAProxy")
set(CPACK_PACKAGE_DESCRIPTION
	"An SPOP agent that HAProxy asks about requests with an Idempotency-Key:
the application executes each of them once, and every repetition gets the
recorded response. It keeps its records in an embedded store or, for a pool
of agents, in Redis or Valkey.")
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS systemd)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS haproxy)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${debian}/postinst ${debian}/prerm
	${debian}/postrm ${debian}/conffiles)
include(CPack)
